"""Does a subscriber hear what is cancelled while its subscription begins?"""

from __future__ import annotations

import uuid
from contextlib import closing

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.memory import MemoryJournalStore
from tests.unit.brokers.journal.faulty import FaultyStore
from tests.unit.brokers.journal.workplace import memory_broker


def test_what_is_cancelled_while_a_subscription_begins_is_heard_and_nothing_older() -> None:
    name = uuid.uuid4().hex
    store = FaultyStore(MemoryJournalStore(name))
    with closing(open_journal(store, replica=True)) as broker, closing(memory_broker(name)) as another:
        first = broker.signalling.subscribe_cancelations()
        another.signalling.publish_cancelation("before")

        def cancel_in_between() -> None:
            another.signalling.publish_cancelation("meanwhile")
            heard: list[str] = []
            while "meanwhile" not in heard:  # So this process has applied it.
                heard += first.next(5.0)

        store.journals[CONTROL].before_end_is_told = cancel_in_between
        second = broker.signalling.subscribe_cancelations()

        assert list(second.next(60.0)) == ["meanwhile"]
