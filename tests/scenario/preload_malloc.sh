#!/usr/bin/env bash
# malloc's family at its edges; pointers of glibc's own malloc go back to it.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
. "$REPO/tests/scenario/preload_common.bash"
build semantics -fno-builtin
under "$work/semantics" || fail "semantics ended with $?"
build foreign -fno-builtin
under "$work/foreign" || fail "foreign ended with $?"
