"""Does Python's collector leave alone what a server holds, and only then?"""

from __future__ import annotations

import gc
import uuid
import weakref
from collections.abc import Iterator

import pytest

from asynq_compat.server import Server

DEFAULT = 700, 10, 10


class Knot:
    """What only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _left_as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*DEFAULT)
    yield
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(*before)


def started() -> Server:
    """Return a server that runs."""
    server = Server(f"memory://{uuid.uuid4()}")
    server.start(lambda ctx, task: None)
    return server


def test_what_was_alive_at_a_servers_start_is_looked_at_again_when_it_has_ended() -> None:
    knot = Knot()
    told = weakref.ref(knot)
    server = started()
    assert gc.get_freeze_count() > 0

    del knot
    gc.collect()
    is_there_while_it_runs = told() is not None
    server.shutdown()
    gc.collect()

    assert is_there_while_it_runs
    assert gc.get_freeze_count() == 0
    assert told() is None


def test_what_came_since_is_looked_at_while_the_server_runs() -> None:
    server = started()
    told = weakref.ref(Knot())

    gc.collect()

    assert told() is None
    server.shutdown()


def test_the_last_of_several_servers_thaws() -> None:
    first, second = started(), started()

    first.shutdown()
    assert gc.get_freeze_count() > 0

    second.shutdown()
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("threshold", [0, 9_000])
def test_a_program_that_has_said_how_often_is_left_alone(threshold: int) -> None:
    gc.set_threshold(threshold, 5, 5)

    server = started()

    assert gc.get_freeze_count() == 0
    server.shutdown()


def test_a_program_that_switched_the_collector_off_is_left_alone() -> None:
    gc.disable()

    server = started()

    assert gc.get_freeze_count() == 0
    server.shutdown()


def test_what_a_program_froze_itself_stays_frozen() -> None:
    gc.freeze()
    before = gc.get_freeze_count()

    server = started()
    server.shutdown()

    assert 0 < gc.get_freeze_count() <= before
