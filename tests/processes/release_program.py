"""What does a process of the next release do on a file that an older release uses too?

Contract: ``python -m tests.processes.release_program FILE QUEUE`` serves the queue, printing "ready" and the type of each task that it
runs, until its standard input ends.
"""

from __future__ import annotations

import sys

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.server import Server
from asynq_compat.task import Task
from tests.unit.machine.next_release import NEXT_RELEASE


def main(path: str, queue: str) -> None:
    """Serve until standard input ends."""

    def handle(ctx: Context, task: Task) -> None:
        print(task.type, flush=True)

    broker = open_journal(SqliteJournalStore(path), versions=NEXT_RELEASE)
    server = Server(broker, Config(concurrency=2, queues={queue: 1}))
    server.start(handle)
    print("ready", flush=True)
    sys.stdin.read()
    server.shutdown()
    broker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
