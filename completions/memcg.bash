# shellcheck shell=bash
# bash completion for memcg(1): commands, options, targets, paths of groups, names of files, columns.
#
# Targets and paths are asked of the processes there are, with a second's patience: one that does not
# answer must not take the prompt away.

_memcg_commands="check export get help ls mkdir mount move report rmdir run set stat top tree watch"

# Of memcg-files(5), and what a run knows of its processes.
_memcg_files="memory.current memory.peak memory.min memory.low memory.high memory.max memory.reclaim
memory.oom.group memory.events memory.events.local memory.stat memory.numa_stat memory.pressure
memory.swap.current memory.swap.peak memory.swap.high memory.swap.max memory.swap.events
memory.zswap.current memory.zswap.max memory.zswap.writeback memory.move_charge_at_immigrate memory.slack
memory.accounting memory.balloon memory.owners memory.report memory.fail cgroup.type cgroup.controllers
cgroup.subtree_control cgroup.events cgroup.procs cgroup.threads cgroup.stat cgroup.max.descendants
cgroup.max.depth comm command"

_memcg_columns="current peak min low high max swap_current swap_high swap_max zswap_current zswap_max anon
file shmem sock slab large buffer kernel_stack pagetables external maps zswap cached metadata stock
reclaimable low_events high_events max_events oom oom_kill refused sock_throttled pgfault pgmajfault
pgscan pgsteal pswpin pswpout zswpin zswpout some_avg10 full_avg10 some_total full_total threads children"

_memcg_options() { # COMMAND
	case $1 in
	run) echo "--max --high --group-by --rules --top --report --control --quiet --no-children --help" ;;
	ls) echo "--process --columns --bytes --json --help" ;;
	tree) echo "--process --columns --depth --bytes --json --help" ;;
	get) echo "--process --all --json --help" ;;
	set | rmdir) echo "--process --help" ;;
	mkdir) echo "--process --parents --help" ;;
	stat) echo "--process --all --bytes --json --help" ;;
	move) echo "--process --dry-run --bytes --json --help" ;;
	watch) echo "--process --count --timeout --json --help" ;;
	report) echo "--process --html --help" ;;
	mount) echo "--foreground --debug --process --help" ;;
	*) echo "--help" ;;
	esac
}

_memcg_pids() { # COMMAND-WORD
	timeout 1 "$1" ls --json 2>/dev/null | sed -n 's/^ *"pid": \([0-9]*\),\{0,1\}$/\1/p'
}

# A name may hold blanks, quotes and backslashes: only the last two are escaped in JSON.
_memcg_paths() { # COMMAND-WORD TARGET
	timeout 1 "$1" tree ${2:+-p "$2"} --json 2>/dev/null |
		sed -n 's/^ *"path": "\(.*\)",\{0,1\}$/\1/p' | sed 's/\\\(["\\]\)/\1/g'
}

# _memcg_words WORD CANDIDATE... - those that begin with the word; whole lines, quoted for the shell.
_memcg_words() {
	local word=$1 candidate
	shift
	for candidate; do
		[[ $candidate == "$word"* ]] || continue
		[[ $candidate =~ ^[A-Za-z0-9_./,=-]+$ ]] || candidate=$(printf %q "$candidate")
		COMPREPLY+=("$candidate")
	done
}

_memcg_target() {
	local i
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-p | --process) printf '%s\n' "${COMP_WORDS[i + 1]}" ;;
		--process=*) printf '%s\n' "${COMP_WORDS[i]#*=}" ;;
		esac
	done | tail -n 1
}

_memcg_value() { # COMMAND OPTION WORD; false: it takes none
	case $2 in
	-p | --process)
		# shellcheck disable=SC2046
		_memcg_words "$3" $(_memcg_pids "$memcg")
		[[ $3 != */* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$3")
		;;
	-c | --columns)
		local done=""
		[[ $3 != *,* ]] || done=${3%,*},
		# shellcheck disable=SC2046,SC2086
		_memcg_words "$3" $(printf "$done%s\n" $_memcg_columns)
		compopt -o nospace 2>/dev/null
		;;
	--group-by) _memcg_words "$3" none thread thread-name object ;;
	--report | --rules | --html) mapfile -t COMPREPLY < <(compgen -f -- "$3") ;;
	--max | --high | -d | --depth | --count | -t | --timeout) ;;
	-n) [ "$1" = watch ] || return 1 ;;
	*) return 1 ;;
	esac
	return 0
}

_memcg_set_files() { # WORD
	local file
	for file in $_memcg_files; do
		_memcg_words "$1" "$file=" "${file#memory.}="
	done
	compopt -o nospace 2>/dev/null
}

_memcg_argument() { # COMMAND WORD
	case $1 in
	help) _memcg_words "$2" $_memcg_commands ;;
	get)
		# shellcheck disable=SC2086
		[[ $2 == /* ]] || _memcg_words "$2" $_memcg_files
		;;
	set) [[ $2 == /* ]] || _memcg_set_files "$2" ;;
	esac
	case $1 in
	ls | tree | get | set | stat | watch | mkdir | rmdir | move | report)
		local paths
		mapfile -t paths < <(_memcg_paths "$memcg" "$(_memcg_target)")
		[[ -n $2 && $2 != /* ]] || _memcg_words "$2" "${paths[@]}"
		;;
	run) mapfile -t COMPREPLY < <(compgen -c -- "$2") ;;
	check | mount) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
	esac
}

_memcg() {
	local memcg=${COMP_WORDS[0]} command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		# shellcheck disable=SC2086
		_memcg_words "$word" $_memcg_commands --help --version
	elif ! _memcg_value "$command" "$before" "$word"; then
		# shellcheck disable=SC2046
		if [[ $word == -* ]]; then
			_memcg_words "$word" $(_memcg_options "$command")
		else
			_memcg_argument "$command" "$word"
		fi
	fi
}

complete -F _memcg memcg
