"""How fast is it, beside Go Asynq on the same machine in the same minutes?

`make bench` measures every part, three rounds each, stores the figures in docs/benchmarks/results.json and writes docs/benchmarks.md from
them. `--only process,enqueue` measures some parts anew and keeps the others; `--report` only writes the page; `--quick` runs one small
round and stores nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench import report, results
from tests.bench.brokers import JOURNALS, brokers
from tests.bench.measure import Figure
from tests.bench.parts import ONE_ROUND, PARTS, Bench, warm_up

console = Console(stderr=True)
PAGE = Path("docs/benchmarks.md")
QUICK_SCALE = 0.02


def names_of(text: str) -> list[str]:
    """Return the parts that were asked for."""
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return names


def full_rates(parts: dict[str, Any]) -> dict[str, float]:
    """Return the full rates that were measured."""
    if "process" not in parts:
        return {}
    figures = results.Figures(parts["process"])
    known = {who: figures.median("process async", who, "rate") for who in JOURNALS}
    return {"go": figures.median("process", "go", "rate"), **known}


def write(parts: dict[str, Any]) -> None:
    """Store the figures, and write the page and its plot from them."""
    results.save(parts)
    PAGE.write_text(report.page(parts))
    for name, text in report.plots(parts).items():
        (results.FILE.parent / name).write_text(text)


def show(job: str, who: str, figure: Figure) -> None:
    """Print one figure as it comes."""
    numbers = [f"{name} {value:,.1f}" for name, value in figure.items() if isinstance(value, float)]
    stages = [f"{name} {value:.1f}" for name, value in figure.get("stages_us", {}).items() if value >= 0.1]
    console.print(f"{job:24} {who:10} {'  '.join(numbers)}  {', '.join(stages)}", soft_wrap=True, highlight=False)


def main() -> None:
    """Measure, store, write."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", type=names_of, default=list(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one small round; stores nothing")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the page from what is stored")
    arguments = parser.parse_args()
    parts = results.load()
    if arguments.report:
        write(parts)
        return
    command = " ".join(["python -m tests.bench", *sys.argv[1:]])
    scale = QUICK_SCALE if arguments.quick else 1.0
    with brokers() as (places, scratch):
        console.print("[bold]warming up[/bold]")
        warm_up(Bench(places, show, scale, {}, scratch))
        for name in arguments.only:
            began_s, loads = time.monotonic(), [os.getloadavg()[0]]
            figures: results.Rounds = {}

            def note(job: str, who: str, figure: Figure, figures: results.Rounds = figures) -> None:
                figures.setdefault(results.key(job, who), []).append(figure)
                show(job, who, figure)

            bench = Bench(places, note, scale, full_rates(parts), scratch)
            rounds = 1 if arguments.quick or name in ONE_ROUND else arguments.rounds
            for number in range(rounds):
                console.print(f"[bold]{name}[/bold], round {number + 1} of {rounds}")
                PARTS[name](bench)
                loads.append(os.getloadavg()[0])
            console.print(f"{name}: {time.monotonic() - began_s:.0f} s")
            if not arguments.quick:
                parts[name] = results.part(command, rounds, figures, loads)
                write(parts)


if __name__ == "__main__":
    main()
