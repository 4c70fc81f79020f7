"""What does whoever asks over HTTP get, and what is left when nobody serves any more?"""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError, ServerStateError
from asynq_compat.metrics import exposing
from asynq_compat.metrics.exposing import Exposition, registry_of, text_of
from asynq_compat.rules.addresses import parse_address


def _ask(url: str, accept: str = "") -> tuple[int, str, str]:
    """Return status, content type and page."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    with contextlib.closing(_answer_to(request)) as answer:
        return answer.status or 0, answer.headers["Content-Type"], answer.read().decode()


def _answer_to(request: urllib.request.Request) -> urllib.error.HTTPError:
    try:
        return urllib.request.urlopen(request, timeout=30)  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        return error


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("answer", "To everything.", registry=registry).set(42)
    return registry


@contextlib.contextmanager
def _served(exposition: Exposition) -> Iterator[str]:
    exposition.start()
    try:
        yield f"http://127.0.0.1:{exposition.port}"
    finally:
        exposition.close()


def test_metrics_come_in_the_format_that_is_asked_for(registry: CollectorRegistry) -> None:
    with _served(Exposition("127.0.0.1:0", registry)) as url:
        status, content_type, page = _ask(f"{url}/metrics?name=ignored")
        assert (status, page) == (200, text_of(registry))
        assert content_type.startswith("text/plain; version=")

        status, content_type, page = _ask(f"{url}/metrics", "application/openmetrics-text; version=1.0.0")
        assert content_type.startswith("application/openmetrics-text")
        assert page.endswith("# EOF\n")


def test_health_is_what_the_check_says(registry: CollectorRegistry) -> None:
    outages = [BrokerUnavailableError("no answer from redis")]

    def check() -> None:
        if outages:
            raise outages.pop()

    with _served(Exposition("127.0.0.1:0", registry, check)) as url:
        assert _ask(f"{url}/healthz")[::2] == (503, "no answer from redis\n")
        assert _ask(f"{url}/healthz")[::2] == (200, "ok\n")
        assert _ask(f"{url}/")[0] == 404


def test_a_collector_that_fails_is_told_and_stops_nothing(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Collector):
        def describe(self) -> Iterator[Metric]:
            return iter(())

        def collect(self) -> Iterator[Metric]:
            raise RuntimeError("the user's own")

    registry.register(Failing())
    with _served(Exposition("127.0.0.1:0", registry)) as url:
        assert _ask(f"{url}/metrics")[0] == 500
        assert _ask(f"{url}/healthz")[0] == 200
    assert "the user's own" in caplog.text


def test_a_registry_tells_of_the_process_where_it_shall() -> None:
    assert "python_info" in text_of(registry_of([]))
    assert text_of(registry_of([], process=False)) == ""


def test_a_port_in_use_is_told_by_name(registry: CollectorRegistry) -> None:
    exposition = Exposition("127.0.0.1:0", registry)
    with pytest.raises(ServerStateError, match=rf"metrics cannot be served at 127.0.0.1:{exposition.port}: .*in use"):
        Exposition(f"127.0.0.1:{exposition.port}", registry)
    exposition.close()


def test_nothing_is_left_when_it_is_closed(registry: CollectorRegistry) -> None:
    """Neither the port nor a thread, also where somebody is connected who says nothing."""
    exposition = Exposition("127.0.0.1:0", registry)
    with _served(exposition) as url, socket.create_connection(("127.0.0.1", exposition.port)):
        assert _ask(f"{url}/healthz")[0] == 200
    exposition.close()

    Exposition(f"127.0.0.1:{exposition.port}", registry).close()
    assert not [thread for thread in threading.enumerate() if thread.name == "asynq-metrics"]


def test_whoever_never_comes_to_the_point_is_cut_off_at_the_end(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line comes before patience is over, the last one never."""
    monkeypatch.setattr(exposing, "_PATIENCE_S", 0.1)
    exposition = Exposition("127.0.0.1:0", registry)
    is_over = threading.Event()
    with _served(exposition) as url, socket.create_connection(("127.0.0.1", exposition.port)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert _ask(f"{url}/healthz")[0] == 200  # So the connection before it was taken.

        def talk() -> None:
            with contextlib.suppress(OSError):
                while not is_over.wait(0.05):
                    connection.sendall(b"a: b\r\n")

        talker = threading.Thread(target=talk)
        closer = threading.Thread(target=exposition.close, daemon=True)
        talker.start()
        closer.start()
        closer.join(20)
        is_closed = not closer.is_alive()
        is_over.set()
        talker.join()

    assert is_closed


@pytest.mark.parametrize(
    ("addr", "parsed"),
    [
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        (":0", ("", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("metrics.example:1", ("metrics.example", 1)),
    ],
)
def test_an_address_is_a_host_and_a_port(addr: str, parsed: tuple[str, int]) -> None:
    assert parse_address(addr) == parsed


@pytest.mark.parametrize(
    "addr",
    ["", "9090", "host", "host:", "host:-1", "host:65536", "::1:9090", "http://host:1", "a b:1", 9090, None, "h:²"],
)
def test_what_is_no_address_is_refused(addr: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"served at a host and a port, such as 127\.0\.0\.1:9090, got "):
        parse_address(addr)
