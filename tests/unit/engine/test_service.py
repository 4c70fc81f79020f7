"""Does a background duty start, go on after an error, and stop?"""

from __future__ import annotations

import logging
import threading

import pytest

from asynq_compat.engine import service
from asynq_compat.engine.service import Service


class Counting(Service):
    """A duty that counts, and fails the first time when told to."""

    def __init__(self, *, fails_first: bool = False) -> None:
        super().__init__("counter", logging.getLogger("test.service"))
        self.fails_first = fails_first
        self.count = 0
        self.has_counted = threading.Event()
        self.names: set[str] = set()
        self.has_finished = False

    def run_once(self) -> float:
        self.count += 1
        self.names.add(threading.current_thread().name)
        if self.count == 1 and self.fails_first:
            raise ValueError("first")
        self.has_counted.set()
        return 60.0

    def finish(self) -> None:
        self.has_finished = True


def test_it_runs_on_a_thread_of_its_name_until_it_is_stopped() -> None:
    duty = Counting()
    duty.start()
    duty.start()
    assert duty.has_counted.wait(60)

    duty.stop()
    duty.stop()

    assert (duty.count, duty.names, duty.has_finished) == (1, {"asynq-counter"}, True)


def test_stopped_before_the_start_it_never_runs() -> None:
    duty = Counting()

    duty.stop()
    duty.start()

    assert duty.count == 0


def test_an_unexpected_error_is_logged_and_it_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_WAIT_AFTER_ERROR_S", 0.01)
    duty = Counting(fails_first=True)
    duty.start()

    assert duty.has_counted.wait(60)

    duty.stop()
    assert "counter failed; it goes on" in caplog.text
