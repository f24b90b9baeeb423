#!/usr/bin/env bash
# new and delete in all their forms; bad_alloc at max, thrown by the C++ library.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
. "$REPO/tests/scenario/preload_common.bash"
build operators
under MEMCG_MAX=64M "$work/operators" || fail "operators ended with $?"
# A C++ library that nobody but a plug-in needs: it is not in the global scope.
cat >"$work/local.cc" <<'END'
#include <new>
extern "C" int try_it(unsigned long size)
{
	try {
		char *volatile p = new char[size];
		delete[] p;
		return 0;
	} catch (const std::bad_alloc &) {
		return 1;
	}
}
END
cat >"$work/host.c" <<'END'
#include <dlfcn.h>
int main(int argc, char **argv)
{
	void *library = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
	int (*try_it)(unsigned long) = library ? (int (*)(unsigned long))dlsym(library, "try_it") : 0;

	return try_it && try_it(256ul << 20) == 1 && try_it(1000) == 0 ? 0 : 1;
}
END
g++ -O1 -shared -fPIC "$work/local.cc" -o "$work/local.so"
gcc -O1 "$work/host.c" -o "$work/host"
under MEMCG_MAX=64M "$work/host" "$work/local.so" || fail "the plug-in's bad_alloc did not come"
