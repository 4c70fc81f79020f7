"""Do many who ask at once cost one question, and is no answer older than who asked for it?"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.kafka.shared import Shared
from tests.services.waiting import wait_until

_LONG_S = 30.0


class Oracle:
    """Answers when it may, about each with the number of the question; of "secret" it says nothing."""

    def __init__(self) -> None:
        self.may_answer = threading.Semaphore(0)
        self.asked: list[list[str]] = []
        self._numbers = itertools.count(1)

    def __call__(self, keys: Sequence[str]) -> dict[str, int]:
        number = next(self._numbers)
        self.asked.append(sorted(keys))
        assert self.may_answer.acquire(timeout=_LONG_S)
        if "secret" in keys:
            raise BrokerUnavailableError(f"not told: {','.join(sorted(keys))}")
        return dict.fromkeys(keys, number)


def waiting_count(shared: Shared[str, int]) -> int:
    """How many wait for the question that comes next."""
    return 0 if shared._next is None else len(shared._next.keys)


def test_who_comes_while_a_question_is_under_way_shares_the_next_one() -> None:
    oracle = Oracle()
    shared = Shared(oracle)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(shared.ask, "a")
        wait_until(lambda: oracle.asked, "the first question", _LONG_S)
        others = [pool.submit(shared.ask, name) for name in "aabbbcccc"]
        wait_until(lambda: waiting_count(shared) == 9, "the others to have come", _LONG_S)

        oracle.may_answer.release(2)

        assert first.result(_LONG_S) == 1
        assert [other.result(_LONG_S) for other in others] == [2] * 9
        assert oracle.asked == [["a"], ["a", "b", "c"]]


def test_nobody_hears_of_anothers_failure() -> None:
    oracle = Oracle()
    shared = Shared(oracle)
    with ThreadPoolExecutor(3) as pool:
        pool.submit(shared.ask, "a")
        wait_until(lambda: oracle.asked, "the first question", _LONG_S)
        secret, open_one = pool.submit(shared.ask, "secret"), pool.submit(shared.ask, "b")
        wait_until(lambda: waiting_count(shared) == 2, "both to have come", _LONG_S)

        oracle.may_answer.release(4)

        assert open_one.result(_LONG_S) in {3, 4}
        with pytest.raises(BrokerUnavailableError, match=r"not told: secret$"):
            secret.result(_LONG_S)


def test_who_asks_alone_hears_of_a_failure_at_once() -> None:
    oracle = Oracle()
    oracle.may_answer.release(2)
    shared = Shared(oracle)

    with pytest.raises(BrokerUnavailableError, match=r"not told: secret$"):
        shared.ask("secret")

    assert oracle.asked == [["secret"]]
    assert shared.ask("a") == 2
