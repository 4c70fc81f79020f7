"""Is what a queue gets spread over its partitions, all of it, without starving one?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.brokers.journal.spreading import spread

_waiting = st.lists(st.integers(0, 50), min_size=1, max_size=20)


@given(st.integers(0, 200), _waiting, st.integers(0, 100))
def test_what_waits_is_served_and_no_more(total: int, waiting: list[int], first: int) -> None:
    parts = spread(total, waiting, first=first)

    assert sum(parts) == min(total, sum(waiting))
    assert all(0 <= part <= count for part, count in zip(parts, waiting, strict=True))


@given(st.integers(1, 200), _waiting, st.integers(0, 100))
def test_what_is_left_is_parked_over_all(total: int, waiting: list[int], first: int) -> None:
    parts = spread(total, waiting, first=first, parks=True)
    surplus = total - sum(waiting)

    assert total - len(waiting) <= sum(parts) <= total + len(waiting)
    if surplus > 0:
        assert min(parts) > 0 or len(parts) == 1


def test_each_partition_has_its_turn_where_there_is_one_slot() -> None:
    served = [0, 0, 0]
    for turn in range(30):
        for number, part in enumerate(spread(1, [1_000_000, 1, 50], first=turn)):
            served[number] += part

    assert served == [10, 10, 10]


def test_nothing_is_nothing() -> None:
    assert spread(0, [3, 4], parks=True) == [0, 0]
    assert spread(-5, [3, 4]) == [0, 0]
