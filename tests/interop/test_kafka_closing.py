"""Is a connection to a cluster closed at once, whatever it is doing?

Each test would take the time that an answer may take, a minute, if a close waited for one.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from asynq_compat.errors import AsynqError
from asynq_compat.journals.kafka.driver import At, Driver
from asynq_compat.journals.kafka.journal import open_driver
from asynq_compat.journals.kafka.settings import DRIVERS, KafkaSettings
from tests.services.installing import ServiceMissingError
from tests.services.kfake import KfakeCluster
from tests.services.ports import HOST
from tests.services.waiting import wait_until

pytestmark = pytest.mark.go

_TIMEOUT_S = 60.0
# It takes two at most where the machine has nothing else to do.
_CLOSED_WITHIN_S = 10.0
_AT = At("closing", 0)

_CALLS: dict[str, Callable[[Driver], object]] = {
    "append": lambda driver: driver.append(_AT, b"frame"),
    "topics": lambda driver: driver.topics(),
    "end": lambda driver: driver.end(_AT),
    "truncate": lambda driver: driver.truncate(_AT, 1),
    "ensure_topics": lambda driver: driver.ensure_topics({"another": 1}),
}


def opened(bootstrap: str, library: str) -> Driver:
    settings = KafkaSettings(
        bootstrap=(bootstrap,), driver=library, request_timeout_s=_TIMEOUT_S, connect_timeout_s=_TIMEOUT_S
    )
    return open_driver(settings)


@pytest.fixture
def cluster() -> Iterator[KfakeCluster]:
    try:
        cluster = KfakeCluster()
    except ServiceMissingError as missing:
        pytest.skip(str(missing))
    yield cluster
    cluster.stop()


@pytest.fixture(params=["takes connections and says nothing", "takes no connection"])
def silent_address(request: pytest.FixtureRequest) -> Iterator[str]:
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0 if "no connection" in request.param else 64)
        for _ in range(4 if "no connection" in request.param else 0):  # What comes behind these is dropped.
            one = held.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"{HOST}:{listener.getsockname()[1]}"


class _Caller:
    """A thread that makes one call, which may fail."""

    def __init__(self, driver: Driver, call: Callable[[Driver], object]) -> None:
        self._driver, self._call = driver, call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(AsynqError):
            self._call(self._driver)

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()


def assert_closes_at_once(driver: Driver) -> None:
    began_at_s = time.monotonic()
    driver.close()
    assert time.monotonic() - began_at_s < _CLOSED_WITHIN_S


@pytest.mark.parametrize("library", DRIVERS)
def test_a_connection_that_does_not_come_about_is_given_up(silent_address: str, library: str) -> None:
    driver = opened(silent_address, library)
    driver.connect_ahead()
    callers = [_Caller(driver, _CALLS[name]) for name in ("append", "topics", "end")]

    assert_closes_at_once(driver)

    wait_until(lambda: all(one.is_over for one in callers), "who connects to hear of it", _TIMEOUT_S / 2)


@pytest.mark.parametrize("name", _CALLS)
@pytest.mark.parametrize("library", DRIVERS)
def test_an_answer_that_does_not_come_is_not_waited_for(cluster: KfakeCluster, library: str, name: str) -> None:
    driver = opened(cluster.bootstrap, library)
    driver.ensure_topics({_AT.topic: 1})
    driver.append(_AT, b"frame")
    driver.end(_AT)
    cluster.pause()
    caller = _Caller(driver, _CALLS[name])

    assert_closes_at_once(driver)

    cluster.resume()
    wait_until(lambda: caller.is_over, "the call to come to an end", _TIMEOUT_S / 2)


@pytest.mark.parametrize("library", DRIVERS)
def test_a_producer_that_has_no_identity_yet_is_not_waited_for(cluster: KfakeCluster, library: str) -> None:
    driver = opened(cluster.bootstrap, library)
    driver.topics()
    driver.connect_ahead()
    cluster.pause()

    assert_closes_at_once(driver)

    cluster.resume()
