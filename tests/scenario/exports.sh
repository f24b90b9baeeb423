#!/usr/bin/env bash
# Nothing leaves the library but memcg_* in MEMCG_0.1 and memcg__* in MEMCG_PRIVATE, and
# the archive shows a program no other name than these.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
set -eu
bad=$(nm -D --defined-only "$BUILD/libmemcg.so" | awk '
	$3 ~ /^memcg__.*@@MEMCG_PRIVATE$/ || $3 ~ /^memcg_[a-z0-9].*@@MEMCG_0\.1$/ { next }
	$3 ~ /^MEMCG_(0\.1|PRIVATE)(@@MEMCG_(0\.1|PRIVATE))?$/ { next }
	{ print $3 }')
[ -z "$bad" ] || {
	echo "exports: libmemcg.so exports $bad" >&2
	exit 1
}
bad=$(nm -g --defined-only "$BUILD/libmemcg.a" | awk 'NF == 3 && $3 !~ /^memcg_/ { print $3 }')
[ -z "$bad" ] || {
	echo "exports: libmemcg.a exports $bad" >&2
	exit 1
}
# Every function of the public headers is really there: a name in the version script
# that nothing defines links without a word.
names=$(sed -n 's/^\tmemcg_\([a-z0-9_]*\);$/memcg_\1/p' "$REPO/src/lib/libmemcg.map")
have=$(nm -D --defined-only "$BUILD/libmemcg.so" | awk '{ sub(/@.*/, "", $3); print $3 }')
for name in $names; do
	grep -qx "$name" <<<"$have" || {
		echo "exports: $name is declared and not defined" >&2
		exit 1
	}
done
tls=$(readelf -d "$BUILD/libmemcg-preload.so" | grep -c STATIC_TLS || true)
[ "$(readelf -lW "$BUILD/libmemcg-preload.so" | grep -c ' TLS ')" -eq 0 ] || [ "$tls" -eq 1 ] || {
	echo "exports: libmemcg-preload.so has thread-local words that are not initial-exec" >&2
	exit 1
}
