"""Where do the journals of a keeper's story stand, and what must hold after each chapter?

Contract: everything through the ports; a place is opened anew for each question, as another process would.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from asynq_compat.brokers.journal.keeping.tail import Keeping
from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.journals.journal import JournalStore
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.ports.broker import Broker

SOON = Keeping(tail_bytes_min=20_000, stays_s=0.0, look_every_s=0.05)
NEVER = Keeping(tail_bytes_min=10**12)


def store_of(url: str) -> JournalStore:
    """Open ``sqlite:///path`` or ``kafka://bootstrap/namespace``."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return SqliteJournalStore(rest.removeprefix("/"))
    bootstrap, _, namespace = rest.partition("/")
    return KafkaJournalStore(KafkaSettings(bootstrap=(bootstrap,), namespace=namespace))


@contextmanager
def broker_at(url: str, keeping: Keeping = NEVER) -> Iterator[Broker]:
    """Open a broker there, as a new process would."""
    broker = open_journal(store_of(url), keeping=keeping)
    yield broker
    broker.close()


def keep(url: str, step: str = "none", count: int = 1) -> int:
    """Let another process write checkpoints and die behind a step; return how it ended."""
    program = [sys.executable, "-m", "tests.interop.keeper_program", url, step, str(count)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode in (0, -9), ended.stderr
    assert ended.returncode or "done" in ended.stdout
    return ended.returncode
