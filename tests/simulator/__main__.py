"""How long does the queue keep its promises?

Run new histories for so many seconds, or one of them again: `python -m tests.simulator --seconds 600`, `--seed 7`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import count
from time import monotonic, time_ns

from tests.simulator.history import run


def main() -> int:
    """Run histories; the first broken promise ends it."""
    parser = argparse.ArgumentParser(description="Run simulated histories of the journal.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="run this history only")
    options = parser.parse_args()
    seeds: Iterator[int] = iter([options.seed]) if options.seed is not None else count(time_ns() // 1_000_000)
    began_s = monotonic()
    histories = entries = tasks = 0
    for seed in seeds:
        report = run(seed)
        histories += 1
        entries += report.entry_count
        tasks += report.task_count
        if monotonic() - began_s > options.seconds:
            break
    print(f"{histories} histories, {entries} entries, {tasks} tasks: every promise kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
