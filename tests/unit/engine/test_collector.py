"""Does Python's collector leave alone what a server holds, and only then?"""

from __future__ import annotations

import gc
import uuid
import weakref
from collections.abc import Iterator

import pytest

from asynq_compat.config import Config
from asynq_compat.engine import collector
from asynq_compat.errors import InvalidArgumentError
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


def test_the_thresholds_are_put_back_behind_the_last_server_also_one_that_could_not_start() -> None:
    first, second = started(), started()
    while_they_run = gc.get_threshold()

    first.shutdown()
    behind_the_first = gc.get_threshold()
    second.shutdown()

    assert while_they_run == behind_the_first != DEFAULT
    assert gc.get_threshold() == DEFAULT
    with pytest.raises(InvalidArgumentError):
        Server("memory://", Config(processes=2, concurrency=2)).start(lambda ctx, task: None)
    assert gc.get_threshold() == DEFAULT


def test_what_servers_leave_is_freed_when_others_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "_LOOK_EVERY_S", 0.0)
    knot = Knot()
    told = weakref.ref(knot)
    server = started()
    del knot
    server.shutdown()
    assert told() is not None

    started().shutdown()

    assert told() is None


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
