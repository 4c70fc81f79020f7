"""Who ran what, and is every task accounted for?

Contract: three sources that know nothing of each other: what the producers noted as taken, what the broker holds at the end, and what
each worker noted about its attempts.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

import asynq_compat as asynq
from examples.demo.plan import QUEUES, Ledger


def planned(state: Path) -> dict[str, str]:
    """Return id -> kind of every task that a broker took."""
    return {str(line["id"]): str(line["kind"]) for file in state.glob("plan*.jsonl") for line in Ledger(file).lines()}


def _ended(inspector: asynq.Inspector) -> dict[str, asynq.TaskState]:
    ended = {}
    for queue in QUEUES:
        for listing in (inspector.list_completed_tasks, inspector.list_archived_tasks):
            ended.update({info.id: info.state for info in listing(queue, page_size=0)})
    return ended


def missing(state: Path, inspector: asynq.Inspector) -> list[str]:
    """Return the ids of tasks that have not reached their end."""
    return sorted(planned(state).keys() - _ended(inspector).keys())


def show(state: Path, inspector: asynq.Inspector, console: Console) -> bool:
    """Print the tables; return True when every task ended exactly once."""
    tasks, ended = planned(state), _ended(inspector)
    attempts = [line for file in sorted(state.glob("worker-*.jsonl")) for line in Ledger(file).lines()]
    refused = Counter(str(line["kind"]) for line in Ledger(state / "refused.jsonl").lines())

    table = Table("task type", "taken", "completed", "archived", "attempts", "duplicates", title="What became of it")
    for kind in sorted(set(tasks.values())):
        ids = [task_id for task_id, its_kind in tasks.items() if its_kind == kind]
        states = Counter(ended.get(task_id) for task_id in ids)
        runs = sum(line["type"] == kind for line in attempts)
        row = (len(ids), states[asynq.TaskState.COMPLETED], states[asynq.TaskState.ARCHIVED], runs, refused[kind])
        table.add_row(kind, *map(str, row))
    console.print(table)

    kinds = sorted(set(tasks.values()))
    workers = sorted({str(line["worker"]) for line in attempts})
    runs_of = Counter((str(line["type"]), str(line["worker"])) for line in attempts)
    table = Table("attempts by", *workers, title="Who ran what")
    for kind in kinds:
        table.add_row(kind, *(str(runs_of[kind, worker]) for worker in workers))
    in_all = Counter(str(line["worker"]) for line in attempts)
    table.add_row("in all", *(str(in_all[worker]) for worker in workers))
    console.print(table)

    lost = tasks.keys() - ended.keys()
    done = Counter(str(line["id"]) for line in attempts if line["outcome"] == "done")
    twice = [task_id for task_id, times in done.items() if times > 1]
    console.print(
        f"{len(tasks)} tasks taken, {len(tasks) - len(lost)} reached their end, {len(lost)} lost, {len(twice)} done twice"
    )
    return not lost and not twice
