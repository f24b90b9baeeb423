#!/usr/bin/env bash
# Whoever executes a program that never takes a slot is counted, however short it lives; whoever
# fails to execute one is not.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
python=/usr/bin/python3
needs perl $python

escaped() { # NUMBER WHAT
	grep -qE "^escaped: $1( |\$)" report || fail "$2: not $1 escapes: $(sed -n '/^escaped/,$p' report)"
}

if echo 'int main(void) { return 0; }' | gcc -static -x c - -o static 2>/dev/null; then
	# shellcheck disable=SC2016
	held -- sh -c 'for i in $(seq 40); do ./static; done' || fail "static: status $?"
	escaped 40 "static children"
	grep -q '^  static (pid ' report || fail "static children: no name: $(cat report)"
	held -- $python -c 'import os
for i in range(20): os.waitpid(os.posix_spawn("./static", ["static"], os.environ), 0)
for i in range(20): os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)' || fail "spawn: status $?"
	escaped 20 "spawned children"
fi
# shellcheck disable=SC2016
held -- sh -c 'for i in $(seq 40); do env -i true; done' || fail "env -i: status $?"
escaped 40 "cleaned environments"
held -- $python -c 'import os; os.execve("/bin/true", ["true"], {})' || fail "execve: status $?"
escaped 1 "an empty environment"
grep -q 'recount: not taken (exec)' report || fail "an exec is taken for another end: $(cat report)"
! grep -q '_exit' report || fail "an exec is taken for _exit: $(cat report)"

# ---- what succeeds, and what fails, is no escape ----
held -- perl -e 'for (1 .. 50) { system "true" } for (1 .. 50) { system "no-such-program" } exec "no-such-program"; exit 3' 2>/dev/null
[ $? -eq 3 ] || fail "failing execs: the status is lost"
escaped 0 "failing execs"
recount_closed "after failing execs"
[ "$(grep -c '^  ended: ' report)" -ge 51 ] || fail "sections are missing: $(cat report)"

# ---- every way to execute ----
cat >ways.c <<'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static char *argv[] = {"true", "1", "2", NULL}, *env[] = {"PATH=/bin", NULL};
static void way(int n)
{
	switch (n) {
	case 0: execve("/bin/true", argv, env); break;
	case 1: environ = env; execv("/bin/true", argv); break;
	case 2: environ = env; execvp("true", argv); break;
	case 3: execvpe("true", argv, env); break;
	case 4: environ = env; execl("/bin/test", "test", "b", "=", "b", NULL); break;
	case 5: environ = env; execlp("test", "test", "b", "=", "b", NULL); break;
	case 6: execle("/bin/sh", "sh", "-c", "test \"$A\" = a", NULL, (char *[]){"A=a", NULL}); break;
	case 7: fexecve(open("/bin/true", O_RDONLY), argv, env); break;
	}
	_exit(99);
}
int main(void)
{
	int status;
	for (int n = 0; n < 8; n++) {
		pid_t pid = n == 0 || n == 3 ? vfork() : fork();
		if (!pid)
			way(n);
		if (waitpid(pid, &status, 0) != pid || status)
			return n + 1;
	}
	return 0;
}
END
gcc -w ways.c -o ways 2>err || fail "ways.c: $(cat err)"
held -- ./ways || fail "way $?: it failed: $(cat report)"
[ "$(sed -n 's/^escaped: //p' report)" -eq 8 ] || fail "ways: $(sed -n '/^escaped/,$p' report)"
exit 0
