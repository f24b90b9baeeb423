#!/usr/bin/env bash
# What the report says of processes: a section for each, how it ended, who escaped; and signals
# that reach the program.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
needs perl

has() { # TEXT WHAT
	grep -qF -- "$1" report || fail "$2: the report does not say '$1': $(cat report)"
}

sections() {
	grep -c '^  ended: ' report
}

# ---- one process ----
held --max 64M --high 48M -- perl -e 'my @x = (1) x 100000; exit 3'
[ $? -eq 3 ] || fail "status 3 is lost"
has 'max 67108864, high 50331648' limits
has 'exit status 3' status
has 'escaped: 0' escapes
for line in allocated cached metadata 'charged maps' unmanaged foreign; do
	grep -qE "^  $line +[0-9]+" report || fail "no line '$line': $(cat report)"
done
recount_closed perl
[ "$(sections)" -eq 1 ] || fail "one process, $(sections) sections"

# ---- processes it starts ----
held -- sh -c 'perl -e "exit 0"; perl -e "exit 0" & wait; exit 5'
[ $? -eq 5 ] || fail "the status of sh is lost"
[ "$(sections)" -eq 3 ] || fail "three processes, $(sections) sections: $(cat report)"
held -- sh -c 'exec perl -e "exit 6"'
[ $? -eq 6 ] || fail "exec: the status is lost"
[ "$(sections)" -eq 2 ] || fail "exec: two images, $(sections) sections: $(cat report)"
has 'recount: not taken (exec)' exec
# shellcheck disable=SC2016 # perl's
held -- perl -e 'my $pid = fork; if (!$pid) { my @x = (1) x 300000; exit 0 } waitpid $pid, 0; exit $?'
[ $? -eq 0 ] || fail "fork: the child failed"
[ "$(sections)" -eq 2 ] || fail "fork: $(sections) sections: $(cat report)"
# shellcheck disable=SC2016
held -- perl -e 'kill KILL => $$'
[ $? -eq 137 ] || fail "killed: the status is not 137"
has 'killed by signal 9 (SIGKILL)' killed
has 'recount: not taken (killed)' killed
# shellcheck disable=SC2016
held -- perl -MPOSIX=_exit -e '_exit(4)'
[ $? -eq 4 ] || fail "_exit: the status is lost"
has 'recount: not taken (_exit)' _exit

# ---- children left alone ----
held --no-children --max 64M -- sh -c 'perl -e "exit 0"; [ -z "${LD_PRELOAD:-}" ]' || fail "--no-children: status $?"
[ "$(sections)" -eq 1 ] || fail "--no-children: $(sections) sections: $(cat report)"

# shellcheck disable=SC2016
held --no-children -- perl -e 'if (!fork) { my @x = (1) x 100000; kill KILL => $$ } if (!fork) { exec "true" } wait; wait; exit 0' ||
	fail "--no-children: forks: status $?"
[ "$(sections)" -eq 2 ] || fail "--no-children: forks: $(sections) sections: $(cat report)"
! awk '$1 == "/" && ($2 == 0 || $3 == 0) { bad = 1 } END { exit !bad }' report || fail "a fork without numbers: $(cat report)"

# ---- children that outlive the program ----
# shellcheck disable=SC2016
held -- perl -e 'pipe my $r, my $w; if (!fork) { setpgrp; syswrite $w, "x"; sleep 1 while 1 } sysread $r, my $x, 1; exit 0' >/dev/null ||
	fail "detached: status $?"
has 'ended:         not yet: it runs on without us' "a detached child"
has 'recount: not taken (still running)' "a detached child"
kill -9 "$(sed -n '/^perl/h; /it runs on/{g; s/.*(pid \([0-9]*\),.*/\1/p}' report)"
held -- sh -c 'setsid sleep 0.5 </dev/null >/dev/null 2>&1 & exit 0' || fail "detached: status $?"
! grep -q 'unseen: killed' report || fail "alive, and called killed: $(cat report)"
has 'escaped: 0' "a detached child"

# ---- escapes ----
# Why is seen by whoever looks while it lives: on a busy machine that takes longer.
for long in 0.4 2 10 30; do
	held -- sh -c "env -i sleep $long; true"
	! grep -q 'LD_PRELOAD is not in its environment' report || break
done
has 'escaped: 1' "a cleaned environment"
has 'LD_PRELOAD is not in its environment' "a cleaned environment"
if echo 'int usleep(unsigned); int main(void) { return usleep(400000); }' | gcc -static -x c - -o static 2>/dev/null; then
	held -- sh -c './static; true'
	has 'escaped: 1' "a static program"
	held -- sh -c 'exec ./static'
	has 'escaped: 1' "an exec of a static program"
fi

# ---- signals ----
sleeps() { # RUN - has it a child that is executing sleep?
	local child
	child=$(cat "/proc/$1/task/$1/children" 2>/dev/null)
	[ "$(cat "/proc/${child%% *}/comm" 2>/dev/null)" = sleep ]
}
for signal in TERM:143 HUP:129 USR1:138; do
	# Who was started by nohup ignores one of them, and so would the program.
	env --default-signal "$memcg" run --quiet --report report -- sleep 100 &
	run=$!
	eventually sleeps $run || fail "SIG${signal%:*}: the program does not come to run"
	kill -s "${signal%:*}" $run
	wait $run
	status=$?
	[ $status -eq "${signal#*:}" ] || fail "SIG${signal%:*}: status $status"
done
# shellcheck disable=SC2016
"$memcg" run --quiet --report report -- perl -e '$SIG{USR2} = sub { print "caught\n"; exit 9 }; open my $f, ">", "ready"; close $f; sleep 100' >out &
run=$!
eventually exists ready || fail "the program does not come to run"
kill -s USR2 $run
wait $run
[ $? -eq 9 ] || fail "a caught signal: not its handler's status"
[ "$(cat out)" = caught ] || fail "a signal did not reach the program"

# Where the process group is orphaned (a test runner's own session) the system ignores that stop.
stops_here() {
	local probe
	# shellcheck disable=SC2016
	sh -c 'kill -TSTP $$; exit 0' &
	probe=$!
	stopped_or_ended() {
		in_state T $probe || ended $probe
	}
	eventually stopped_or_ended
	if in_state T $probe; then
		kill -s CONT "$probe"
		wait "$probe"
		return 0
	fi
	wait "$probe"
	return 1
}

stopped_and_woken() {
	# The terminal's stop stops run too, so that the shell sees it; SIGCONT wakes both.
	# shellcheck disable=SC2016
	"$memcg" run --quiet --report report -- sh -c 'kill -TSTP $$; echo awake' >out &
	run=$!
	eventually in_state T $run || fail "run does not stop with its program"
	kill -s CONT $run
	wait $run || fail "after SIGCONT: status $?"
	[ "$(cat out)" = awake ] || fail "SIGCONT was not handed on"
}
if stops_here; then
	stopped_and_woken
else
	echo "the stop of a terminal cannot be tried here: an orphaned process group"
fi

# ---- the live view, and a report on standard error ----
live_lines() {
	grep -csE '^memcg: +[0-9.]+s perl\[[0-9]+\] / current [^ ]+ peak [^ ]+ max 64M refusals 0$' err
}
two_lines() {
	[ "$(live_lines)" -ge 2 ]
}
from=$SECONDS
"$memcg" run --max 64M -- perl -e 'for (1 .. 1200) { last if -e "seen"; select undef, undef, undef, 0.1 }' 2>err &
run=$!
eventually two_lines
touch seen
wait $run || fail "perl under run failed: $(cat err)"
# The first after half a second, then at most one a second.
[ "$(live_lines)" -ge 2 ] && [ "$(live_lines)" -le $((SECONDS - from + 2)) ] ||
	fail "the live view has $(live_lines) lines in $((SECONDS - from)) s: $(cat err)"
grep -q '^escaped: 0' err || fail "no report on standard error: $(cat err)"
"$memcg" run --quiet -- sleep 0.9 2>err
! grep -qE '^memcg: .* current' err || fail "--quiet is not: $(cat err)"
short() { # a run of less than half a second
	local began=${EPOCHREALTIME/./}
	"$memcg" run -- true 2>err
	[ $((${EPOCHREALTIME/./} - began)) -lt 450000 ]
}
eventually short || fail "no run of 'true' takes less than half a second"
! grep -qE '^memcg: .* current' err || fail "a short program has live lines: $(cat err)"

# ---- reports that fail at the end, and ones that replace ----
"$memcg" run --report /dev/full -- true 2>err
[ $? -eq 125 ] || fail "/dev/full: status is not 125"
"$memcg" run --report /dev/full -- sh -c 'exit 3' 2>err
[ $? -eq 3 ] || fail "/dev/full: the program's own status is lost"
seq 100000 >report
"$memcg" run --report report -- true
! grep -q 99999 report || fail "the rest of an old file stands behind the report"

# With standard error closed the report is lost, and nothing is written anywhere else.
"$memcg" run --max 64M -- sh -c 'test ! -e /proc/self/fd/2 && exit 8' 2>&-
[ $? -eq 8 ] || fail "closed standard error: the program does not find it closed"

# ---- threads ----
if [ -x /usr/bin/python3 ]; then
	held --group-by thread -- /usr/bin/python3 -c '
import threading
def work(): x = [bytearray(200) for _ in range(50000)]
t = [threading.Thread(target=work) for _ in range(3)]
[i.start() for i in t]; [i.join() for i in t]' || fail "--group-by thread: status $?"
	[ "$(grep -cE '^  /[^ ]+ +[0-9]+ +[0-9]+' report)" -ge 2 ] || fail "--group-by thread: no rows: $(cat report)"
	recount_closed threads
fi
exit 0
