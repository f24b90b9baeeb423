# shellcheck shell=bash
# eventually.bash - sourced by scenarios that wait for something. A busy machine takes seconds for
# what takes milliseconds otherwise: a wait ends when it has come, and fails after a minute.

# eventually COMMAND... - until it succeeds.
eventually() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

exists() {
	[ -e "$1" ]
}

# in_state LETTERS PID - one of them, as in /proc: R runs, S sleeps, T is stopped.
in_state() {
	grep -qs "^State:.[$1]" "/proc/$2/status"
}

ended() { # PID, also of a child that the shell has reaped
	[ ! -e "/proc/$1" ] || in_state Z "$1"
}
