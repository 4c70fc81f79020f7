"""How does a client of confluent-kafka come to its connection?

Contract: a client answers or it is said why not, naming addresses and causes; `give_up` ends attempts under way.
Not obvious: a constructor of librdkafka connects to nothing, and a refusal shows only in events that somebody has to poll for; so a client
is asked for the cluster's id until it knows, and what it says meanwhile is heard. A client that a forked child inherits has no threads: it
must never be freed there, which would wait for them.
"""

from __future__ import annotations

import ctypes
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from confluent_kafka import KafkaError, KafkaException

from asynq_compat.journals.kafka.connector import BaseConnector
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.unreachable import (
    NO_LOGIN,
    WARN_AFTER_S,
    login_refused,
    tls_failed,
)

_SOCKET_TIMEOUT_MS_MAX = 300_000  # librdkafka takes no more.
_ASK_S = 0.1
_ANEW_AFTER_S = 4.0  # A first request that is lost would be waited for longer than a connection may take.
_RECONNECT_BACKOFF_MS_MAX = 1_000
# An event reads like this: sasl_ssl://host:9092/bootstrap: what happened (after 3ms in state CONNECT)
_EVENT = re.compile(r"\w+://(?P<address>[^/]+)/\w+: (?P<said>.*?)(?: \(after \d+ms in state .*)?", re.DOTALL)

# librdkafka writes to stderr what nobody takes.
_library_log = logging.getLogger("confluent_kafka")
_library_log.addHandler(logging.NullHandler())


class _Client(Protocol):
    def poll(self, timeout: float) -> Any:
        """Serve what was called back for."""

    def cluster_id(self, timeout: float) -> str:
        """Return the cluster's id."""

    def list_topics(self, topic: str | None, timeout: float) -> Any:
        """Return what is known of a topic."""


_C = TypeVar("_C", bound=_Client)


def never_free(client: object) -> None:
    """Keep an object for ever, the interpreter's end included."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(client))


class Connector(BaseConnector):
    """Makes clients of one cluster; raises as `BaseConnector`."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings)
        self._attempts: set[threading.Event] = set()  # Under way; set: given up.

    def connect(self, make: Callable[[dict[str, Any]], _C], *, topic: str = "", **options: Any) -> _C:
        """Return the client that `make` makes of the shared options and these, as soon as the cluster answers it.

        Args:
            make: The client's class.
            topic: What a consumer is asked about, since it has no other reason to connect for a second. A producer would make it.
            options: librdkafka's.

        Raises:
            BrokerUnavailableError: No broker answered in time, or the attempt was given up; names the addresses and the causes.
        """
        attempt = threading.Event()
        with self._lock:
            self._attempts.add(attempt)
            if self._is_closed:
                attempt.set()
        try:
            client = self._answering(lambda: make({**self._options(), **options}), topic, attempt)
        finally:
            with self._lock:
                self._attempts.discard(attempt)
        self._heard.clear()
        self._has_warned = False
        return client

    def _answering(self, make: Callable[[], _C], topic: str, attempt: threading.Event) -> _C:
        started = time.monotonic()
        client, made_at = make(), started
        while not self._answers(client, topic):
            client.poll(0)
            now = time.monotonic()
            if now - started > WARN_AFTER_S:
                self._warn()
            is_refused = self._heard.keys() >= set(self._settings.bootstrap)
            if is_refused or attempt.is_set() or now - started > self._settings.connects_within_s:
                raise self._nobody()
            if now - made_at > _ANEW_AFTER_S:
                client, made_at = make(), now
        return client

    @staticmethod
    def _answers(client: _Client, topic: str) -> bool:
        try:
            return bool(client.list_topics(topic, timeout=_ASK_S) if topic else client.cluster_id(timeout=_ASK_S))
        except KafkaException:
            return False

    def _note(self, error: KafkaError) -> None:
        event = _EVENT.fullmatch(error.str())
        if event is None:
            return
        address, said = event["address"], event["said"]
        self._heard.pop(address, None)
        is_of_tls = error.code() == KafkaError._SSL or re.search("SSL.*(handshake|alert)", said)  # noqa: SLF001 - the library's names of its own errors begin so
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001 - as above
            self._heard[address] = NO_LOGIN if "SASL state" in said else login_refused(self._settings, said)
        elif self._settings.encryption is not None and is_of_tls:
            self._heard[address] = tls_failed(self._settings, said)

    def give_up(self) -> None:
        """Let every attempt that is under way fail now."""
        with self._lock:
            for attempt in self._attempts:
                attempt.set()

    def _options(self) -> dict[str, Any]:
        """Return the options that all clients share."""
        settings = self._settings
        options: dict[str, Any] = {
            "bootstrap.servers": ",".join(settings.bootstrap),
            "client.id": settings.client_id,
            "security.protocol": settings.protocol,
            "socket.timeout.ms": min(max(int(settings.request_timeout_s * 1000), 10), _SOCKET_TIMEOUT_MS_MAX),
            "socket.nagle.disable": True,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": _RECONNECT_BACKOFF_MS_MAX,
            "retry.backoff.ms": 20,
            "error_cb": self._note,
            "logger": _library_log,
        }
        if settings.login is not None:
            options["sasl.mechanism"] = settings.login.mechanism
            options["sasl.username"] = settings.login.username
            options["sasl.password"] = settings.login.password
        if settings.encryption is not None:
            encryption = settings.encryption
            options["enable.ssl.certificate.verification"] = encryption.checks_certificate
            options["ssl.endpoint.identification.algorithm"] = "https" if encryption.checks_host_name else "none"
            files = {
                "ssl.ca.location": encryption.ca_file,
                "ssl.certificate.location": encryption.cert_file,
                "ssl.key.location": encryption.key_file or encryption.cert_file,
            }
            options |= {name: path for name, path in files.items() if path}
        return options
