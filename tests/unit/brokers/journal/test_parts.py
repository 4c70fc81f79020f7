"""Do the pure parts of the journal broker decide as they say?"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.brokers.journal.credit import CreditSharing
from asynq_compat.brokers.journal.keeper import RANK_S, TickTimer
from asynq_compat.brokers.journal.pace import WINDOW_MAX, Pace
from asynq_compat.brokers.journal.session import Session
from asynq_compat.brokers.journal.settling import merge, outcomes_of, plan
from asynq_compat.ports.consuming import Ended, Lease, QueueOrder, SettleKind, Settlement, SettleOutcome
from asynq_compat.testing.clock import VirtualClock
from asynq_compat.wire import command
from asynq_compat.wire.message import TaskMessage, encode_message


class _Forever:
    def is_valid(self) -> bool:
        return True


def lease(position: int, index: int, *, started: bool = True, retried: int = 0, retention: int = 0) -> Lease:
    message = encode_message(TaskMessage(type="t", id="i", queue="q", retried=retried, retention=retention))
    return Lease("q", f"{position}.{index}", message, _Forever(), position, index, has_started=started)


# --- credit


def test_one_queue_gets_all_credit() -> None:
    assert CreditSharing(QueueOrder(weights={"a": 1})).share(7, {}) == {"a": 7}


def test_strict_order_serves_the_highest_first() -> None:
    sharing = CreditSharing(QueueOrder(weights={"low": 1, "high": 9}, strict=True))

    assert sharing.share(10, {"high": 8, "low": 50}) == {"high": 8, "low": 2}


def test_weights_divide_what_is_free() -> None:
    sharing = CreditSharing(QueueOrder(weights={"a": 6, "b": 3, "c": 1}))

    assert sharing.share(100, {"a": 1000, "b": 1000, "c": 1000}) == {"a": 60, "b": 30, "c": 10}


def test_single_slots_follow_the_weights_over_time() -> None:
    sharing = CreditSharing(QueueOrder(weights={"a": 6, "b": 3, "c": 1}))
    counts = {"a": 0, "b": 0, "c": 0}

    for _ in range(100):
        for _ in range(3):  # However often it is asked.
            shares = sharing.share(1, {"a": 9, "b": 9, "c": 9})
        for name, share in shares.items():
            counts[name] += share
        sharing.next_turns(1, {name: share for name, share in shares.items() if share})

    assert counts == {"a": 60, "b": 30, "c": 10}


@pytest.mark.parametrize("seed", range(60))
def test_over_10_000_tasks_each_queue_has_its_share_whenever_its_tasks_come(seed: int) -> None:
    chance = random.Random(seed)
    weights = {name: chance.randint(1, 9) for name in "abcde"[: chance.randint(2, 5)]}
    whole = sum(weights.values())
    sharing, window = CreditSharing(QueueOrder(weights=weights)), chance.choice([10, 100, 1_000])
    ready = dict.fromkeys(weights, 0)
    coming: dict[str, tuple[int, int]] = {}  # when, how many
    started: Counter[str] = Counter()
    now = 0
    while started.total() < 10_000:
        now += 1
        for name, (at, count) in list(coming.items()):
            if at <= now:
                ready[name] += count
                del coming[name]
        for name, weight in weights.items():
            if name not in coming and ready[name] <= window * weight // whole // 2:
                coming[name] = now + chance.choice([1, 2, 3, 30]), max(1, window * weight // whole)
        at_hand = {name: count for name, count in ready.items() if count}
        turns = sharing.next_turns(chance.randint(1, window), at_hand, weights.keys())
        for name, count in turns.items():
            ready[name] -= count
        started.update(turns)

    shares = {name: started.total() * weight / whole for name, weight in weights.items()}
    assert started == pytest.approx(shares, rel=0.05)


def test_a_queue_is_waited_for_only_so_long_as_it_is_said_to_come() -> None:
    sharing = CreditSharing(QueueOrder(weights={"a": 6, "b": 3, "c": 1}))

    ahead = sharing.next_turns(10_000, {"a": 9_000, "b": 9_000}, ["c"])
    assert 100 < sum(ahead.values()) < 500
    assert sharing.next_turns(10, {"a": 9_000, "b": 9_000}, ["c"]) == {"a": 0, "b": 0}
    assert sum(sharing.next_turns(10, {"a": 9_000, "b": 9_000}).values()) == 10
    assert sharing.next_turns(10, {"a": 9_000, "b": 9_000, "c": 9_000}, []) == {"a": 0, "b": 0, "c": 10}


def test_turns_follow_the_weights_and_make_up_for_a_queue_whose_tasks_came_late() -> None:
    weights = {"a": 6, "b": 3, "c": 1}
    sharing = CreditSharing(QueueOrder(weights=weights))
    started = dict.fromkeys(weights, 0)

    for step in range(500):
        ready = {name: 100 for name in weights if name != "b" or step >= 50}
        for name, count in sharing.next_turns(20, ready).items():
            started[name] += count

    assert started == pytest.approx({"a": 6_000, "b": 3_000, "c": 1_000}, abs=2)


def test_an_empty_queue_saves_up_no_turns() -> None:
    sharing = CreditSharing(QueueOrder(weights={"a": 1, "b": 1}))
    for _ in range(50):
        assert sharing.share(1, {"a": 9, "b": 0})["a"] == 1
        sharing.next_turns(1, {"a": 1})

    given = []
    for _ in range(4):
        (name,) = [name for name, share in sharing.share(1, {"a": 9, "b": 9}).items() if share]
        given.append(name)
        sharing.next_turns(1, {name: 1})

    assert sorted(given) == ["a", "a", "b", "b"]


@given(
    st.integers(0, 500),
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 300)), min_size=2, max_size=6),
    st.booleans(),
)
def test_credit_never_exceeds_the_free_slots_by_more_than_one_a_queue(
    budget: int, queues: list[tuple[int, int]], strict: bool
) -> None:
    weights = {f"q{number}": weight for number, (weight, _) in enumerate(queues)}
    backlogs = {f"q{number}": backlog for number, (_, backlog) in enumerate(queues)}

    shares = CreditSharing(QueueOrder(weights=weights, strict=strict)).share(budget, backlogs)

    assert sum(shares.values()) <= (budget + len(weights) if budget else 0)
    if sum(backlogs.values()) >= budget:
        assert sum(shares.values()) == budget
    elif budget:
        assert min(shares.values()) >= 1


# --- pace


def test_nothing_is_fetched_ahead_where_the_order_is_exact() -> None:
    pace = Pace(10, 0.0, is_exact=True)

    for number in range(1, 100):
        pace.freed(10, 0, number * 0.01)

    assert pace.window == 0


def test_nothing_is_fetched_ahead_while_handlers_are_slow() -> None:
    pace = Pace(10, 0.0)

    pace.freed(10, 10, 1.0)

    assert pace.window == 0


def test_quick_handlers_fetch_ahead_what_they_can_start_soon() -> None:
    pace = Pace(100, 0.0)

    for tick in range(1, 20):
        pace.freed(1_000, 50, tick * 0.025)  # 40 000 a second

    assert pace.window == pytest.approx(4_000, abs=2)
    pace.freed(10, 0, 0.6)  # A stall: nothing to work on, little is freed.
    pace.freed(0, 0, 0.7)
    assert pace.window == pytest.approx(2_000, abs=2)
    for tick in range(1, 20):
        pace.freed(10_000, 50, 0.7 + tick * 0.025)
    assert pace.window == WINDOW_MAX
    pace.freed(1, 100, 2.0)  # Slots are held.
    assert pace.window == 0
    pace.freed(1_000, 0, 2.1)
    assert pace.window == 200
    pace.slow_down(2.1)
    assert pace.window == 0


# --- ticks


def test_a_tick_comes_when_the_estimated_clock_says_due_and_later_for_higher_ranks() -> None:
    timer = TickTimer(100.0)
    timer.observe(50_000, 100.0)

    assert timer.next_tick_at_s(next_due_ms=52_000, rank=0) == pytest.approx(102.0)
    assert timer.next_tick_at_s(next_due_ms=52_000, rank=2) == pytest.approx(102.0 + 2 * RANK_S)
    assert timer.next_tick_at_s(next_due_ms=None, rank=0) is None


def test_a_tick_that_made_nothing_due_backs_off() -> None:
    timer = TickTimer(0.0)
    timer.observe(1_000, 0.0)

    waits = []
    now_s = 0.0
    for _ in range(8):
        timer.ticked(500, now_s)
        timer.observe(1_000, now_s)
        timer.settle_due(500)
        at_s = timer.next_tick_at_s(next_due_ms=500, rank=0)
        assert at_s is not None
        waits.append(at_s - now_s)
        now_s = at_s

    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(1.0)


def test_while_a_tick_is_on_its_way_the_next_ones_wait_longer() -> None:
    timer = TickTimer(0.0)
    timer.observe(1_000, 0.0)
    now_s = 0.0
    for _ in range(8):
        timer.ticked(500, now_s)
        at_s = timer.next_tick_at_s(next_due_ms=500, rank=0)
        assert at_s is not None
        last_wait_s, now_s = at_s - now_s, at_s

    assert last_wait_s == pytest.approx(1.0)


# --- settling


def all_done(places: Iterable[tuple[int, int]]) -> list[Lease]:
    return [lease(position, index) for position, index in places]


def test_what_is_settled_twice_at_once_is_named_twice() -> None:
    ranges, members = merge(all_done([(5, 0), (5, 1), (5, 1), (5, 2)]), range(4))

    assert ranges == [(5, 0, 2), (5, 1, 3)]
    assert [list(numbers) for numbers in members] == [[0, 1], [2, 3]]


def test_neighbours_become_one_range() -> None:
    ranges, members = merge(all_done([(5, 2), (5, 0), (5, 1), (5, 4), (9, 5)]), range(5))

    assert ranges == [(5, 0, 3), (5, 4, 5), (9, 5, 6)]
    assert [list(numbers) for numbers in members] == [[1, 2, 0], [3], [4]]


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=1))
def test_ranges_name_exactly_what_was_settled(places: set[tuple[int, int]]) -> None:
    ranges, members = merge(all_done(places), range(len(places)))

    named = [(position, index) for position, low, high in ranges for index in range(low, high)]
    assert sorted(named) == sorted(places)
    assert sorted(number for of_range in members for number in of_range) == list(range(len(places)))


def test_each_kind_has_its_command() -> None:
    settlements: list[Ended] = [
        Settlement(lease(1, 0), SettleKind.DONE),
        lease(1, 1),
        Settlement(lease(1, 2, retention=60), SettleKind.COMPLETE),
        Settlement(lease(1, 3, retried=2), SettleKind.RETRY, 1.5, "why"),
        Settlement(lease(1, 4), SettleKind.RETRY, 1.5, "why", is_failure=False),
        Settlement(lease(1, 5), SettleKind.ARCHIVE, 0.0, "never"),
        Settlement(lease(1, 6), SettleKind.REQUEUE),
        Settlement(lease(1, 7, started=False), SettleKind.REQUEUE),
    ]

    made = plan(settlements, range(8))

    assert made.commands == [
        command.settle_done([(1, 0, 2)]),
        command.settle_complete([(1, 2, 3, 60)]),
        command.settle_retry([(1, 3, 1500, "why", 3), (1, 4, 1500, "why", None)]),
        command.settle_archive([(1, 5, "never")]),
        command.settle_requeue([(1, 6, 7)]),
        command.hand_back([(1, 7, 8)]),
    ]


def test_outcomes_find_their_settlements() -> None:
    made = plan([lease(1, index) for index in (0, 1, 2, 5, 6)], range(5))
    results = [SettleOutcome.SETTLED] * 5

    outcomes_of(made, [[[0, command.STALE, 0], command.STALE]], results)

    settled, stale = SettleOutcome.SETTLED, SettleOutcome.NOT_HELD
    assert results == [settled, stale, settled, stale, stale]


# --- sessions


def test_the_start_mark_stops_before_the_first_that_has_not_started() -> None:
    session = Session("q", "queue.q", VirtualClock())
    session.opened(3, 0.0, 10)
    session.assigned(7, ["a", "b", "c"], [b"", b"", b""], 0.0)
    leases = session.give(3, 0.0)
    leases[0].has_started = leases[2].has_started = True

    assert session.renewal() == command.session(3, 7, 1)
    leases[1].has_started = True
    assert session.renewal(2) == command.session(3, 7, 3, 2)


def test_what_is_taken_back_is_the_last_of_what_is_ready() -> None:
    session = Session("q", "queue.q", VirtualClock())
    session.opened(3, 0.0, 10)
    session.assigned(7, ["a", "b", "c"], [b"", b"", b""], 0.0)
    session.assigned(8, ["d"], [b""], 0.0)

    assert session.take_back(2) == [(8, 0, 1), (7, 2, 3)]
    assert [one.task_id for one in session.give(9, 0.0)] == ["a", "b"]
    assert session.credit == 6


def test_a_term_that_was_seen_to_be_over_stays_over() -> None:
    clock = VirtualClock()
    session = Session("q", "queue.q", clock)
    session.opened(3, clock.monotonic_s(), 1)
    assert session.term.is_valid()

    clock.advance_s(26)
    assert not session.term.is_valid()
    session.renewed(clock.monotonic_s())

    assert not session.term.is_valid()
