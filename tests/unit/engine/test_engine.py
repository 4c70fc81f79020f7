"""What does a server change in the process that it runs in?"""

from __future__ import annotations

import gc
import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.server import Server


@pytest.fixture(autouse=True)
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((700, 10, 10), (50_000, 20, 100)),
        ((2_000, 10, 10), (50_000, 20, 100)),
        ((0, 10, 10),) * 2,
        ((9_000, 5, 5),) * 2,
    ],
)
def test_cycles_are_looked_for_less_often_unless_the_program_has_said_how_often(
    before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    gc.set_threshold(*before)
    server = Server(f"memory://{uuid.uuid4()}")

    server.start(lambda ctx, task: None)
    while_it_runs = gc.get_threshold()
    server.shutdown()

    assert while_it_runs == after
    assert gc.get_threshold() == before
