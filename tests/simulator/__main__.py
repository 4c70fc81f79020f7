"""How long does the queue keep its promises?

Run new histories for so many seconds, or one of them again: `python -m tests.simulator --seconds 600`, `--seed 7`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from time import monotonic, time_ns

from tests.simulator.history import KILL_POINTS, run

# In so many each point is reached.
ENOUGH_HISTORIES = 200


def main() -> int:
    """Run histories; the first broken promise ends it."""
    parser = argparse.ArgumentParser(description="Run simulated histories of the journal.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="run this history only")
    options = parser.parse_args()
    seeds: Iterator[int] = iter([options.seed]) if options.seed is not None else count(time_ns() // 1_000_000)
    began_s = monotonic()
    histories = entries = tasks = 0
    kills: Counter[str] = Counter()
    for seed in seeds:
        report = run(seed)
        histories += 1
        entries += report.entry_count
        tasks += report.task_count
        kills.update(report.kills)
        if monotonic() - began_s > options.seconds:
            break
    per_minute = 60 * histories / (monotonic() - began_s)
    print(f"{histories} histories ({per_minute:.0f} a minute), {entries} entries, {tasks} tasks: every promise kept")
    print("died behind: " + ", ".join(f"{point} {kills[point]}" for point in KILL_POINTS))
    never = [point for point in KILL_POINTS if not kills[point]]
    if never and histories >= ENOUGH_HISTORIES:
        print(f"nobody died behind: {', '.join(never)}; the histories prove nothing there")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
