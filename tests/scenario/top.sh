#!/usr/bin/env bash
# memcg top on a terminal, with a program that serves its groups: what it shows, its keys, a limit set
# from it, a program that does not answer and one that ends, and the terminal given back.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/top_common.bash
. "$REPO/tests/scenario/top_common.bash"
tree
order group /web
order group /web/alice 3000000
order group /web/grün 1000000
order group /job 500000
order group $'/\xe6\x96\x87\xe2\x80\xae\xff' 1000
arguments=(-d 0.2)

# ---- what it shows ----
open 100 24
sees 'the tree' '^▾ / '
sees 'the tree' '^  ▾ web +[23]\.[0-9]+M'
sees 'the tree' '^      alice +2\.[89][0-9]M'
sees 'a name of any bytes' '^    文��'
sees 'the title' '^tree [0-9]+  6 groups .* every 0.2s'
order group /later 7000000
sees 'a group that comes' '^    later +6\.[67][0-9]M'
order remove /later
loses 'a group that goes' 'later'
order file /job 2000000
sees 'two tones' '^    job +2\.[34][0-9]M +█*▒+ .* 1\.9[0-9]M'

# ---- keys ----
keys /
sees 'a question' '^search:'
keys 'ali' Enter
keys Enter
sees 'details' '── /web/alice ─'
sees 'details' 'memory.stat'
sees 'details' '^memory.events'
keys Left Left
sees 'folded' '^  ▸ web'
loses 'folded' '^      alice'
keys Space Enter
sees 'unfolded' '^      alice'
keys t s group Enter
sees 'flat, by name' 'GROUP▲'
sees 'flat, by name' '^/web/grün'
keys '?'
sees 'help' 'set memory.max, memory.high'
keys Escape t
sees 'the tree again' '^      alice'

# ---- a limit ----
keys / job Enter
keys l
sees 'asked for' 'memory.max of /job \(now max; 64M, max, or low=64M\):'
keys 8m Enter
sees 'to be confirmed' 'set memory.max of /job to 8m\? \(y/n\)'
keys n
sees 'not confirmed' 'nothing was changed'
lacks '8\.00M' || fail "it is set though nobody said yes"
keys l 8m Enter y
sees 'set' 'memory.max of /job is 8m'
sees 'its limit' '^    job .* 8\.00M'
keys l high=6m Enter y
sees 'set' 'memory.high of /job is 6m'
keys l none=6m Enter y
sees 'refused' 'memory.none of /job is not set: '

# ---- sizes ----
term resize-window -x 40 -y 10
sees 'a small screen' '^GROUP▲  .*CURRENT'
[ "$(screen | wc -l)" -eq 10 ] || fail "not 10 rows"
sees 'its last line' '^q quit  \? help'
term resize-window -x 5 -y 2
term resize-window -x 200 -y 40
sees 'a large screen' 'THREADS'

# ---- a program that does not answer ----
kill -STOP $program
sees 'a slow program' '^tree has not answered for [0-9]+ s'
keys g j
keys '?'
sees 'keys while it is slow' 'any column'
keys q q
ends 'quit while it is slow' 0
kill -CONT $program

# ---- signals ----
for signal in TERM INT HUP; do
	open 80 12
	sees "before $signal" 'web'
	kill -$signal "$(cat pid)"
	ends "$signal" $((128 + $(kill -l $signal)))
done
open 80 12
sees 'before ^C' 'web'
keys C-c
ends '^C' 130

# ---- other terminals ----
open 80 12 LC_ALL=C
sees 'ASCII' '^    \?+ '
sees 'ASCII' '^  - web '
screen | LC_ALL=C grep -q '[^ -~]' && fail "more than ASCII"
keys q
ends 'ASCII' 0
open 80 12
sees 'colours' 'web'
term capture-pane -p -e | grep -q $'\e\[3[0-7]m' || fail "no colours"
keys q
open 80 12 NO_COLOR=1
sees 'NO_COLOR' 'web'
term capture-pane -p -e | grep -q $'\e\[3[0-7]m' && fail "colours though NO_COLOR is set"
keys q
ends 'NO_COLOR' 0
open 80 12 TERM=no-such-terminal
ends 'an unknown terminal' 125
grep -q "terminal 'no-such-terminal' is not known" top.err || fail "what is wrong with it?"

# ---- a program that ends ----
open 80 12
sees 'before its end' '^      alice'
exec 3>&-
wait $program
sees 'its end' '^tree \([0-9]+\) has ended; these are its last numbers'
shows '^      alice' || fail "the last screen is not kept"
keys l 1m Enter y
sees 'no limit any more' 'nothing is set any more'
keys q
ends 'after its end' 0
grep -q '^memcg top: tree ([0-9]*) has ended$' top.err || fail "its end is not said"
