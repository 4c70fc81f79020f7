"""Do a few tasks stand for all of a batch?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.rules.sampling import SAMPLES_MAX, sample_places, sample_weights


@given(st.integers(0, 5_000))
def test_places_are_spread_and_weights_make_up_the_batch(count: int) -> None:
    places = sample_places(count)

    assert len(places) == min(count, SAMPLES_MAX)
    assert places == sorted(set(places))
    assert not places or (places[0], places[-1]) == (0, count - 1)
    assert sum(sample_weights(count, len(places))) == count
    assert all(weight >= 1 for weight in sample_weights(count, len(places)))
