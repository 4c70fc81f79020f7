"""How long does the queue keep its promises?

Run new histories for so many seconds, in as many processes as there are cores, or one of them again: `python -m tests.simulator --seconds 600`,
`--seed 7`.
"""

from __future__ import annotations

import argparse
import os
import sys
from multiprocessing import get_context
from time import monotonic, process_time, time_ns

from tests.simulator.client import TOLD_WRONGLY
from tests.simulator.history import HANG_POINTS, KILL_POINTS, MET, Report, run
from tests.simulator.promises import BrokenPromiseError

# In so many each point is come to.
ENOUGH_HISTORIES = 2_000


def main() -> int:
    """Run histories; the first broken promise ends it."""
    parser = argparse.ArgumentParser(description="Run simulated histories of the journal.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="run this history only, and say what it came to")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.seed is not None:
        return _run_one(options.seed)
    began_s, total, cpu_s = monotonic(), Report(history_count=0), 0.0
    first, until_s = time_ns() // 1_000_000, began_s + options.seconds
    work = [(range(first + number, sys.maxsize, options.processes), until_s) for number in range(options.processes)]
    with get_context("fork").Pool(options.processes) as pool:
        for done in pool.imap_unordered(_run_until, work):
            if isinstance(done, str):
                print(done)
                return 1
            total.add(done[0])
            cpu_s += done[1]
    return _tell(total, monotonic() - began_s, cpu_s)


def _run_until(work: tuple[range, float]) -> tuple[Report, float] | str:
    """Run histories until the time is over; return what they consisted of and their processor time, or the first broken promise."""
    seeds, until_s = work
    began_s, total = process_time(), Report(history_count=0)
    try:
        for seed in seeds:
            total.add(run(seed))
            if monotonic() > until_s:
                break
    except BrokenPromiseError as broken:
        return str(broken)
    return total, process_time() - began_s


def _run_one(seed: int) -> int:
    try:
        report = run(seed)
    except BrokenPromiseError as broken:
        print(broken)
        return 1
    print(
        f"history {seed}: {report.entry_count} entries, {report.task_count} tasks, ends in state {report.digest.hex()}"
    )
    return 0


def _tell(total: Report, took_s: float, cpu_s: float) -> int:
    histories = total.history_count
    per_minute = 60 * histories / took_s
    print(
        f"{histories} histories ({per_minute:.0f} a minute, {1000 * cpu_s / max(histories, 1):.0f} ms of processor time each), "
        f"{total.entry_count} entries, {total.task_count} tasks, {total.checkpoint_count} checkpoints: every promise kept"
    )
    print("died at: " + ", ".join(f"{point} {total.kills[point]}" for point in KILL_POINTS))
    print("stopped and resumed at: " + ", ".join(f"{point} {total.hangs[point]}" for point in HANG_POINTS))
    print("met: " + ", ".join(f"{what} {total.met[what]}" for what in MET))
    print(
        f"thin clients told that a frame was stored which was refused (docs/journal.md, a limit): {total.met[TOLD_WRONGLY]}"
    )
    never = total.unhit()
    if never and histories >= ENOUGH_HISTORIES:
        print(f"never, so that these histories prove nothing there: {'; '.join(never)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
