#!/usr/bin/env bash
# The heap is there from the first constructor to the last destructor, in threads on their way
# out, in children of a process with threads, and for libraries that come by dlopen.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
. "$REPO/tests/scenario/preload_common.bash"
build plugin -shared -fPIC
build life -fno-builtin
under "$work/life" "$work/plugin" || fail "life ended with $?"
under MEMCG_GROUP_BY=thread "$work/life" "$work/plugin" || fail "life with a group for each thread ended with $?"
