"""How does Prometheus fetch what is told here?

Contract: an HTTP server on a thread of its own with two pages: ``/metrics`` in the format that the caller asks for, ``/healthz`` 200, or 503 and why.
It binds when it is made, and is gone when `close` returns.
Not obvious: whoever asks and then says nothing more is let go after `_PATIENCE_S`; `close` cuts off after it who says a little now and then, so that
it never waits for long.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from asynq_compat.errors import AsynqError, ServerStateError
from asynq_compat.rules.addresses import parse_address

_log = logging.getLogger("asynq_compat")

_PATIENCE_S = 3.0
# How long `close` may go unnoticed.
_LOOK_S = 0.1
_TEXT = "text/plain; charset=utf-8"


def registry_of(collectors: Iterable[Collector], *, process: bool = True) -> CollectorRegistry:
    """Return a registry of these collectors; with `process` it also tells of this process: CPU, memory, files, Python."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    if process:
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
    return registry


def text_of(registry: CollectorRegistry) -> str:
    """Return what the registry tells now, in Prometheus's text format."""
    return generate_latest(registry).decode()


def nothing_is_wrong() -> None:
    """Be healthy as long as there is an answer at all."""


class Exposition:
    """Serves a registry over HTTP.

    Args:
        addr: Where: ``host:port``.
        registry: What is told.
        check: Raises an AsynqError where something is wrong; asked for each ``/healthz``.

    Raises:
        InvalidArgumentError: `addr` is none.
        ServerStateError: It cannot be listened on.
    """

    def __init__(self, addr: str, registry: CollectorRegistry, check: Callable[[], object] = nothing_is_wrong) -> None:
        host, port = parse_address(addr)
        handler = type("Handler", (_Handler,), {"registry": registry, "check": staticmethod(check)})
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server_type = type("Server", (_Server,), {"address_family": family})
        try:
            self._server: _Server = server_type((host, port), handler)
        except OSError as error:
            raise ServerStateError(
                f"metrics cannot be served at {addr}: {error.strerror or error}; give another address, or port 0 for one that is free"
            ) from error
        self.port: int = self._server.server_address[1]
        self.addr = f"{f'[{host}]' if ':' in host else host}:{self.port}"
        self._thread = threading.Thread(target=self._serve, name="asynq-metrics", daemon=True)
        self._closing = threading.Lock()  # Guards the next.
        self._is_closed = False

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        _log.info("metrics are served at http://%s/metrics", self.addr)

    def close(self) -> None:
        """Answer no more, and free the port. Legal twice, and before the start."""
        with self._closing:
            was_closed, self._is_closed = self._is_closed, True
        if was_closed:
            return
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(_LOOK_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # So that `server_close` waits for them.
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[object] = set()  # The sockets of who is being answered.
        super().__init__(address, handler)

    def process_request(self, request: object, client_address: object) -> None:
        """Answer on a thread of its own."""
        self._open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: object) -> None:
        """Let go of a caller."""
        self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def server_close(self) -> None:
        """Wait for who is being answered; whoever still has not asked when patience is over is cut off."""
        cut = threading.Timer(_PATIENCE_S, self._cut_off)
        cut.start()
        try:
            super().server_close()
        finally:
            cut.cancel()
            cut.join()

    def _cut_off(self) -> None:
        for request in list(self._open):
            if isinstance(request, socket.socket):
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        """Bind, without asking DNS what the machine is called, as http.server does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: object, client_address: object) -> None:
        """Take no note of a caller who is gone; anything else is logged."""
        del request
        if not isinstance(sys.exception(), OSError):
            _log.exception("metrics could not be told to %s", client_address)


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    check: Callable[[], object]
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            try:
                page = encode(self.registry)
            except Exception:  # noqa: BLE001 - a collector of the user's, or ours: whoever asked is told
                _log.exception("metrics could not be collected")
                self._answer(
                    HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"metrics could not be collected; the log says why\n"
                )
                return
            self._answer(HTTPStatus.OK, content_type, page)
        elif path == "/healthz":
            try:
                type(self).check()
            except AsynqError as error:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, f"{error}\n".encode())
                return
            self._answer(HTTPStatus.OK, _TEXT, b"ok\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"there are /metrics and /healthz\n")

    def log_message(self, *_: object) -> None:
        """Say nothing of every question."""

    def _answer(self, status: HTTPStatus, content_type: str, page: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
