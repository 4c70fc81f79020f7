"""Does a failed task wait as long as in Asynq?"""

from __future__ import annotations

import pytest

from asynq_compat.rules.retry import default_retry_delay_s


@pytest.mark.parametrize(
    ("retried", "shortest_s", "longest_s"),
    [(0, 15, 44), (1, 16, 74), (2, 31, 118), (3, 96, 212), (5, 640, 814), (10, 10015, 10334)],
)
def test_the_delay_lies_between_asynqs_bounds(retried: int, shortest_s: int, longest_s: int) -> None:
    assert default_retry_delay_s(retried, 0) == shortest_s
    assert default_retry_delay_s(retried, 29) == longest_s


@pytest.mark.parametrize("jitter", [-1, 30])
def test_jitter_outside_its_range_is_refused(jitter: int) -> None:
    with pytest.raises(ValueError, match="jitter"):
        default_retry_delay_s(0, jitter)
