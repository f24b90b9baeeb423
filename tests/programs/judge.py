"""What two runs of a program under a limit show, against one without.

Roomy: a limit that the program keeps within. It must do what it does without, and every process
whose end can be seen must recount. Tight: a limit that it needs more than. No process may have been
charged beyond it, something must have been refused, and the program must have said so in its own
words; a crash is not its own words.
"""

import signal

CRASHES = (-signal.SIGSEGV, -signal.SIGBUS, 128 + signal.SIGSEGV, 128 + signal.SIGBUS)


def beyond(process):
    """By how much its peak is past its limit."""
    return max(0, process.peak - process.limit)


def allowed(process):
    """Free memory that the library keeps may be past it: nobody is charged for it, and it goes to the
    system before anything is refused (docs/programs.md). How much there was at the peak is not known:
    what there is at the end, or a sixteenth of the limit."""
    return max(process.cached or 0, process.limit // 16)


def _accounts(run, name):
    """What is wrong in a report, whatever the program did."""
    wrong = []
    if not run.report.processes:
        return [f"{name}: the report has no process"]
    if run.report.escaped != 0:
        wrong.append(f"{name}: {run.report.escaped} processes escaped")
    for process in run.report.processes:
        where = f"{name}: pid {process.pid} ({process.command.split()[0]})"
        if process.peak is None or process.limit is None:
            wrong.append(f"{where}: no peak or limit in the report")
        elif beyond(process) > allowed(process):
            wrong.append(f"{where}: peak {process.peak} is beyond its limit {process.limit}")
        if process.differs:
            wrong.append(f"{where}: recount: {process.recount}")
    return wrong


def _crash(run, name):
    return [f"{name}: crashed, status {run.status}"] if run.status in CRASHES else []


def works(bare, roomy):
    wrong = []
    # memcg run ends with 128 and the number of the signal that ended the program.
    status = bare.status if bare.status >= 0 else 128 - bare.status
    if roomy.status != status:
        wrong.append(f"roomy: status {roomy.status}, without {status}: {tail(roomy.said)}")
    elif roomy.out != bare.out:
        wrong.append(f"roomy: output differs: {len(roomy.out)} bytes, {len(bare.out)} without")
    return wrong


def limit(tight, words):
    wrong = []
    if not any(process.refusals for process in tight.report.processes):
        wrong.append("tight: nothing was refused")
    if not words.search(tight.said):
        wrong.append(f"tight: the program did not say /{words.pattern}/: {tail(tight.said)}")
    return wrong


def recount(roomy, least):
    closed = sum(process.closed for process in roomy.report.processes)
    return [] if closed >= least else [f"roomy: {closed} recounts closed, not {least}"]


def accounts(roomy, tight, may_crash):
    wrong = _accounts(roomy, "roomy") + _crash(roomy, "roomy") + _accounts(tight, "tight")
    return wrong if may_crash else wrong + _crash(tight, "tight")


def unmanaged(run):
    """Resident anonymous bytes beyond what was charged, of the process that has most: as the
    report says of its end, and as was seen of its peaks."""
    most = 0
    for process in run.report.processes:
        seen = run.resident.get(process.pid, 0) - (process.peak or 0)
        most = max(most, process.unmanaged or 0, seen)
    return most


def tail(text, length=300):
    return " ".join(text.split())[-length:]
