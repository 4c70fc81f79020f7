"""Where does a client look for its replies when its place in the journal is gone?"""

from __future__ import annotations

import uuid

from asynq_compat.brokers.journal.reply import ReplyReader
from asynq_compat.brokers.journal.writing.ticket import Ticket
from asynq_compat.brokers.journal.writing.writer import Writer
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.wire import command
from asynq_compat.wire.frame import encode_frame

NAME = queue_journal_name("q")
WAIT_S = 5.0


class Client:
    """A writer and a reader that reads at once; whoever serves replies to all that it asks."""

    def __init__(self) -> None:
        self.store = MemoryJournalStore(uuid.uuid4().hex)
        self.journal = self.store.open(NAME)
        self.writer = Writer(self.journal, SystemClock(), name=NAME)
        self.reader = ReplyReader(NAME, lambda: self.store.open(NAME), self.writer)
        self._reply_count = 0

    def write(self, count: int) -> None:
        """Others write something."""
        for _ in range(count):
            self.journal.append(encode_frame(uuid.uuid4().bytes, 1, [command.tick()]))

    def ask(self) -> Ticket:
        """Ask, be replied to, and read."""
        ticket = Ticket([command.pause()], asks=True)
        self.writer.commit(ticket, timeout_s=WAIT_S)
        ((writer_id, sequence, _),) = self.writer.awaited.asking()
        self._reply_count += 1
        self.journal.append(encode_frame(b"s" * 16, self._reply_count, [command.reply(writer_id, sequence, [0, 0])]))
        self.reader.wait(ticket, timeout_s=WAIT_S)
        return ticket

    def close(self) -> None:
        """End."""
        self.writer.close()
        self.reader.retire()


def test_a_reader_that_has_read_nothing_begins_where_it_asks() -> None:
    client = Client()
    client.write(8)
    client.journal.truncate(6)

    assert client.ask().outcomes == [0]
    client.close()


def test_a_reader_whose_place_was_cut_away_reads_where_it_asks() -> None:
    client = Client()
    assert client.ask().outcomes == [0]
    client.write(8)
    client.journal.truncate(6)

    assert client.ask().outcomes == [0]
    client.close()
