"""Does a tail know its length, and what of it must stay?"""

from __future__ import annotations

from asynq_compat.brokers.journal.keeping.tail import ENTRY_BYTES, Keeping, Tail
from asynq_compat.journals.journal import Entry


def entry(position: int, at_s: float, size: int = 100) -> Entry:
    return Entry(position, int(at_s * 1000), is_log_time=True, data=bytes(size))


def grown(tail: Tail, count: int, *, every_s: float = 1.0, size: int = 100) -> None:
    for position in range(count):
        tail.read([entry(position, position * every_s, size)])


def test_a_tail_counts_the_bytes_since_the_last_marker() -> None:
    tail = Tail(Keeping())

    grown(tail, 10)
    assert tail.size_bytes == 10 * (100 + ENTRY_BYTES)

    tail.marked()
    assert tail.size_bytes == 0
    tail.read([entry(10, 10.0), entry(11, 10.0)])
    assert tail.size_bytes == 2 * (100 + ENTRY_BYTES)


def test_the_newest_seconds_stay() -> None:
    tail = Tail(Keeping(stays_s=60.0))

    grown(tail, 50)
    assert tail.stays_from == 0, "nothing is a minute old"
    grown(tail, 500)

    assert 430 <= tail.stays_from <= 439


def test_of_much_traffic_only_the_newest_bytes_stay() -> None:
    tail = Tail(Keeping(stays_s=600.0, stays_bytes=100_000))

    grown(tail, 500, every_s=0.01, size=1_000)

    kept_bytes = (499 - tail.stays_from) * (1_000 + ENTRY_BYTES)
    assert 95_000 <= kept_bytes <= 110_000


def test_a_clock_that_goes_back_lets_nothing_go_early() -> None:
    tail = Tail(Keeping(stays_s=60.0))
    grown(tail, 100)
    before = tail.stays_from

    for position in range(100, 120):
        tail.read([entry(position, 5.0)])

    assert tail.stays_from == before


def test_memory_stays_small() -> None:
    tail = Tail(Keeping(stays_s=60.0))

    grown(tail, 20_000, every_s=0.5)

    assert len(tail._samples) < 100
