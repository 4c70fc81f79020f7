"""Are queues asked in Asynq's order?"""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynq_compat.rules.priority import order_for_take, strict_order

WEIGHTS = st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(1, 2**31 - 1), min_size=1, max_size=8)


@settings(max_examples=40)
@given(WEIGHTS, st.booleans(), st.randoms(use_true_random=False))
def test_every_queue_is_asked_exactly_once(weights: dict[str, int], strict: bool, rng: random.Random) -> None:
    assert sorted(order_for_take(weights, strict=strict, rng=rng)) == sorted(weights)


@settings(max_examples=40)
@given(WEIGHTS)
def test_strict_order_falls_and_keeps_equals_as_configured(weights: dict[str, int]) -> None:
    order = strict_order(weights)

    assert [weights[queue] for queue in order] == sorted(weights.values(), reverse=True)
    configured = list(weights)
    for first, second in itertools.pairwise(order):
        assert weights[first] > weights[second] or configured.index(first) < configured.index(second)


def asynqs_order(weights: dict[str, int], rng: random.Random) -> list[str]:
    """Go's way, dumb and slow: repeat, shuffle, keep first occurrences."""
    names = [queue for queue, weight in weights.items() for _ in range(weight)]
    rng.shuffle(names)
    return list(dict.fromkeys(names))


def test_weighted_orders_are_as_frequent_as_asynqs() -> None:
    weights = {"critical": 6, "default": 3, "low": 1}
    rng = random.Random(20260102)
    rounds = 10_000

    ours = Counter(tuple(order_for_take(weights, strict=False, rng=rng)) for _ in range(rounds))
    theirs = Counter(tuple(asynqs_order(weights, rng)) for _ in range(rounds))

    for order in ours.keys() | theirs.keys():
        assert ours[order] / rounds == pytest.approx(theirs[order] / rounds, abs=0.02)
