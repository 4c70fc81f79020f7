"""What is a new process told that enqueues one unique task?

`python -m tests.interop.thin_client URL` prints the task's state, or "duplicate", and the names of its threads that follow a queue. It
waits for a reply as long as a busy machine needs.
"""

from __future__ import annotations

import sys
import threading

import asynq_compat as asynq
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.journals.journal import JournalStore
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.sqlite import SqliteJournalStore

PATIENT_S = 60.0


def store_of(place: str) -> JournalStore:
    """Return the journals of a file, or of `bootstrap/namespace`."""
    if place.startswith("/"):
        return SqliteJournalStore(place)
    bootstrap, _, namespace = place.partition("/")
    return KafkaJournalStore(KafkaSettings(bootstrap=(bootstrap,), namespace=namespace))


def main(place: str) -> None:
    """Enqueue and tell."""
    broker = open_journal(store_of(place), reply_s=PATIENT_S)
    with asynq.Client(broker) as client:
        try:
            told = str(client.enqueue(asynq.Task("unique", b"x"), unique=3600).state)
        except asynq.DuplicateTaskError:
            told = "duplicate"
        print(told, [thread.name for thread in threading.enumerate() if thread.name.startswith("asynq-replica-queue")])
    broker.close()


if __name__ == "__main__":
    main(sys.argv[1])
