"""What has to be done this evening, and what has the broker taken?

Contract: every task but the unique one has an id of its own making, so that a producer that is run again adds only what is missing.
What the broker took is noted in `plan.jsonl`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asynq_compat as asynq

QUEUES = {"critical": 6, "default": 3, "low": 1}
KEEP_S = 86_400  # finished tasks stay a day, so that the summary can count them
DOCUMENTS, MAILS, BOUNCES, EXPIRIES, REBUILD_EVERY = 300, 120, 5, 20, 30


@dataclass(frozen=True, slots=True)
class Planned:
    """One task and its options; `kind` groups it in the summary."""

    kind: str
    task: asynq.Task
    options: tuple[asynq.Option, ...]


def evening(run: str) -> Iterator[Planned]:
    """Yield every task of the evening, in the order in which they are enqueued; `run` tells one evening from another."""
    for n in range(EXPIRIES):
        yield _numbered(run, "document:expire", n, asynq.Queue("low"), asynq.ProcessIn(2 + n % 6))
    for n in range(DOCUMENTS):
        yield _numbered(run, "document:compress", n, asynq.Queue("default"))
        if n % REBUILD_EVERY == 0:
            task = asynq.Task("index:rebuild", json.dumps({"run": run}).encode())
            yield Planned("index:rebuild", task, (asynq.Queue("low"), asynq.Unique(3600), asynq.Retention(KEEP_S)))
    for n in range(MAILS):
        yield _numbered(run, "mail:notify", n, asynq.Queue("critical"), asynq.MaxRetry(5))
    for n in range(BOUNCES):
        yield _numbered(run, "mail:bounce", n, asynq.Queue("critical"))


def _numbered(run: str, kind: str, n: int, *options: asynq.Option) -> Planned:
    task = asynq.Task(kind, json.dumps({"n": n}).encode())
    return Planned(kind, task, (asynq.TaskID(f"{kind}:{run}:{n:04}"), asynq.Retention(KEEP_S), *options))


class Ledger:
    """An append-only file of JSON lines; one writer each, whole lines only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, **fields: str | int) -> None:
        """Append one line."""
        with self.path.open("a") as file:
            file.write(json.dumps(fields) + "\n")

    def lines(self) -> Iterator[dict[str, str | int]]:
        """Yield what was appended; nothing when the file does not exist. A line counts when it has ended: it may be read while it is written."""
        if self.path.exists():
            *whole, _being_written = self.path.read_text().split("\n")
            yield from map(json.loads, whole)
