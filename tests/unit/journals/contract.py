"""What must hold of every journal, wherever it stands?

Contract: a test class inherits `JournalContract` and gives the fixture `store`, an empty `JournalStore` of its own.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence

import pytest

from asynq_compat.errors import PayloadTooLargeError, ServerStateError
from asynq_compat.journals.journal import (
    BEFORE_THE_FIRST,
    CONTROL,
    FRAME_BYTES_MAX,
    Batch,
    Entry,
    Journal,
    JournalStore,
    NotInJournalError,
    queue_journal_name,
    state_journal_name,
)

LONG_S = 60.0


def read_all(journal: Journal, count: int, *, after: int = BEFORE_THE_FIRST) -> list[Entry]:
    """Read on until `count` entries are there."""
    found: list[Entry] = []
    while len(found) < count:
        batch = journal.read(after, wait_s=LONG_S)
        assert batch.entries, f"{len(found)} of {count} entries came"
        found.extend(batch.entries)
        after = batch.upto
    return found


def data_of(entries: Sequence[Entry]) -> list[bytes]:
    return [entry.data for entry in entries]


class JournalContract:
    @pytest.fixture
    def journal(self, store: JournalStore) -> Journal:
        return store.open(queue_journal_name("default"))

    def test_what_was_appended_is_read_in_order_with_growing_positions(self, journal: Journal) -> None:
        positions = [journal.append(f"frame {number}".encode()) for number in range(20)]

        entries = read_all(journal, 20)

        assert data_of(entries) == [f"frame {number}".encode() for number in range(20)]
        assert [entry.position for entry in entries] == positions
        assert positions == sorted(set(positions))
        assert all(position > BEFORE_THE_FIRST for position in positions)

    def test_entries_carry_the_time_of_the_log(self, journal: Journal) -> None:
        before_ms = time.time_ns() // 1_000_000
        journal.append(b"now")

        (entry,) = read_all(journal, 1)

        assert entry.is_log_time
        assert before_ms <= entry.timestamp_ms <= time.time_ns() // 1_000_000

    def test_an_empty_journal_ends_before_the_first(self, journal: Journal) -> None:
        assert journal.end() == BEFORE_THE_FIRST
        assert journal.read(BEFORE_THE_FIRST, wait_s=0) == Batch([], BEFORE_THE_FIRST)

    def test_reading_up_to_the_end_gives_all_that_was_durable(self, journal: Journal) -> None:
        last = [journal.append(b"x") for _ in range(3)][-1]

        assert journal.end() >= last
        batch = journal.read(BEFORE_THE_FIRST, wait_s=LONG_S)
        while batch.upto < journal.end():
            batch = journal.read(batch.upto, wait_s=LONG_S)
        assert journal.read(batch.upto, wait_s=0).entries == []

    def test_a_read_goes_on_behind_any_position(self, journal: Journal) -> None:
        positions = [journal.append(bytes([number])) for number in range(5)]

        assert data_of(read_all(journal, 2, after=positions[2])) == [b"\3", b"\4"]
        assert data_of(read_all(journal, 5)) == [b"\0", b"\1", b"\2", b"\3", b"\4"]
        assert data_of(read_all(journal, 1, after=positions[3])) == [b"\4"]

    def test_what_stands_there_is_read_without_a_wait(self, journal: Journal) -> None:
        positions = [journal.append(bytes([number])) for number in range(3)]

        assert data_of(journal.read(positions[1], wait_s=0, max_count=1).entries) == [b"\2"]
        assert data_of(journal.read(positions[0], wait_s=0, max_count=1).entries) == [b"\1"]
        last = journal.append(b"new")
        assert data_of(journal.read(positions[2], wait_s=0).entries) == [b"new"]
        again = journal.append(b"newer")
        assert journal.read(last, wait_s=0).upto == again

    def test_a_read_gives_at_most_so_many_entries(self, journal: Journal) -> None:
        positions = [journal.append(b"x") for _ in range(5)]

        batch = journal.read(BEFORE_THE_FIRST, wait_s=LONG_S, max_count=2)

        assert [entry.position for entry in batch.entries] == positions[:2]
        assert batch.upto == positions[1]
        assert len(read_all(journal, 3, after=batch.upto)) == 3

    def test_a_read_stops_behind_the_entry_that_reaches_the_size(self, journal: Journal) -> None:
        positions = [journal.append(b"x" * 600) for _ in range(5)]

        batch = journal.read(BEFORE_THE_FIRST, wait_s=LONG_S, max_bytes=1000)

        assert [entry.position for entry in batch.entries] == positions[:2]
        assert len(read_all(journal, 3, after=batch.upto)) == 3

    def test_a_cut_journal_begins_where_it_was_cut(self, journal: Journal) -> None:
        positions = [journal.append(bytes([number])) for number in range(200)]
        assert journal.first() == positions[0]

        journal.truncate(positions[150])
        journal.truncate(positions[20])

        assert journal.first() == positions[150]
        assert data_of(read_all(journal, 50, after=positions[149])) == [bytes([number]) for number in range(150, 200)]
        assert data_of(read_all(journal, 1, after=positions[180]))[0] == bytes([181])

    def test_a_read_below_the_cut_says_so_and_never_jumps(self, journal: Journal) -> None:
        positions = [journal.append(bytes([number])) for number in range(5)]
        assert len(read_all(journal, 2)) >= 2

        journal.truncate(positions[3])

        for after in (BEFORE_THE_FIRST, positions[1]):
            with pytest.raises(NotInJournalError) as caught:
                journal.read(after, wait_s=LONG_S)
            assert caught.value.after == after
        assert data_of(read_all(journal, 2, after=positions[2])) == [b"\3", b"\4"]

    def test_a_journal_that_was_cut_whole_goes_on_with_its_positions(self, journal: Journal) -> None:
        last = [journal.append(b"x") for _ in range(3)][-1]

        journal.truncate(journal.end() + 1)

        assert journal.end() >= last
        assert journal.first() == journal.end() + 1
        with pytest.raises(NotInJournalError):
            journal.read(BEFORE_THE_FIRST, wait_s=LONG_S)
        again = journal.append(b"y")
        assert again > last
        assert data_of(read_all(journal, 1, after=last)) == [b"y"]

    def test_others_append_and_read_while_a_journal_is_cut(self, journal: Journal) -> None:
        positions = [journal.append(bytes(100)) for _ in range(300)]
        cutting = threading.Thread(target=journal.truncate, args=[positions[299]])
        cutting.start()

        after = positions[299]
        for number in range(20):
            journal.append(bytes([number]))
            (entry,) = read_all(journal, 1, after=after)
            assert entry.data == bytes([number])
            after = entry.position
        cutting.join(LONG_S)

        assert journal.first() == positions[299]

    def test_a_waiting_read_wakes_for_an_append(self, journal: Journal) -> None:
        after = journal.append(b"first")
        batches: list[Batch] = []
        reader = threading.Thread(target=lambda: batches.append(journal.read(after, wait_s=LONG_S)))
        reader.start()

        journal.append(b"second")
        reader.join(LONG_S)

        assert data_of(batches[0].entries) == [b"second"]

    def test_an_interrupt_wakes_a_waiting_read(self, journal: Journal) -> None:
        batches: list[Batch] = []
        reader = threading.Thread(target=lambda: batches.append(journal.read(BEFORE_THE_FIRST, wait_s=LONG_S)))
        started = time.monotonic()
        reader.start()

        journal.interrupt()
        reader.join(LONG_S)

        assert batches == [Batch([], BEFORE_THE_FIRST)]
        assert time.monotonic() - started < LONG_S / 2

    def test_a_read_waits_no_longer_than_told(self, journal: Journal) -> None:
        started = time.monotonic()

        batch = journal.read(BEFORE_THE_FIRST, wait_s=0.05)

        assert batch.entries == []
        assert time.monotonic() - started < LONG_S / 2

    def test_many_threads_append_into_one_order(self, journal: Journal) -> None:
        def append_twenty(writer: int) -> None:
            for number in range(20):
                journal.append(bytes([writer, number]))

        threads = [threading.Thread(target=append_twenty, args=[writer]) for writer in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG_S)

        frames = data_of(read_all(journal, 80))
        for writer in range(4):
            assert [frame[1] for frame in frames if frame[0] == writer] == list(range(20))

    def test_journals_of_one_store_do_not_meet(self, store: JournalStore) -> None:
        default, critical, control = (
            store.open(name) for name in (queue_journal_name("default"), queue_journal_name("critical"), CONTROL)
        )

        default.append(b"d")
        control.append(b"c")

        assert data_of(read_all(default, 1)) == [b"d"]
        assert data_of(read_all(control, 1)) == [b"c"]
        assert critical.end() == BEFORE_THE_FIRST

    def test_a_journal_opened_twice_is_the_same(self, store: JournalStore) -> None:
        name = queue_journal_name("default")
        first, second = store.open(name), store.open(name)

        first.append(b"x")

        assert data_of(read_all(second, 1)) == [b"x"]

    def test_the_store_lists_what_was_opened(self, store: JournalStore) -> None:
        queues = [queue_journal_name(queue) for queue in ("a", "control", "state", "urgent/now: größer")]
        names = [CONTROL, *queues]
        names += [state_journal_name(name) for name in names]
        for name in names:
            store.open(name)

        assert list(store.names()) == sorted(names)

    def test_a_frame_beyond_the_limit_is_refused_before_it_is_sent(self, journal: Journal) -> None:
        with pytest.raises(PayloadTooLargeError) as caught:
            journal.append(bytes(FRAME_BYTES_MAX + 1))

        assert (caught.value.size_bytes, caught.value.size_bytes_max) == (FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX)
        assert journal.end() == BEFORE_THE_FIRST

    def test_a_frame_at_the_limit_goes_through(self, journal: Journal) -> None:
        frame = bytes(range(256)) * (FRAME_BYTES_MAX // 256)

        journal.append(frame)

        assert data_of(read_all(journal, 1)) == [frame]

    def test_a_closed_journal_says_so(self, journal: Journal) -> None:
        journal.append(b"x")

        journal.close()
        journal.close()

        with pytest.raises(ServerStateError):
            journal.append(b"y")
        with pytest.raises(ServerStateError):
            journal.read(BEFORE_THE_FIRST, wait_s=0)
        with pytest.raises(ServerStateError):
            journal.end()

    def test_closing_wakes_a_waiting_read(self, journal: Journal) -> None:
        reader = threading.Thread(target=self._read_or_be_closed, args=[journal])
        reader.start()

        journal.close()
        reader.join(LONG_S)

        assert not reader.is_alive()

    @staticmethod
    def _read_or_be_closed(journal: Journal) -> None:
        with contextlib.suppress(ServerStateError):
            assert journal.read(BEFORE_THE_FIRST, wait_s=LONG_S * 2).entries == []

    def test_closing_the_store_closes_its_journals(self, store: JournalStore) -> None:
        journal = store.open(CONTROL)

        store.close()
        store.close()

        with pytest.raises(ServerStateError):
            journal.append(b"x")

    def test_the_store_answers(self, store: JournalStore) -> None:
        store.ping()

        assert store.address

    def test_the_partitions_of_a_queue_are_journals_of_their_own(self, store: JournalStore) -> None:
        base = queue_journal_name("wide")
        assert store.partition_count(base, 3) == 3
        assert store.partition_count(base, 5) == 3

        journals = [store.open(queue_journal_name("wide", number)) for number in range(3)]
        for number, journal in enumerate(journals):
            journal.append(str(number).encode())

        assert [data_of(read_all(journal, 1)) for journal in journals] == [[b"0"], [b"1"], [b"2"]]
        assert [journal.end() for journal in journals] == [0, 0, 0]
        assert base in store.names()
        assert all("/" not in name for name in store.names())
        last = store.open(state_journal_name(queue_journal_name("wide", 2)))
        last.append(b"checkpoint")
        assert data_of(read_all(last, 1)) == [b"checkpoint"]
