"""How does a client of kafka-python come to its connection?

Contract: a client connects or says why not, naming addresses and causes; `give_up` ends attempts under way. Once a client is closed, or
failed to connect, none of its sockets is open.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kafka.errors
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.kafka.network_kafka_python import SCHEME, Network
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.unreachable import why_unreachable

_RETRY_BACKOFF_MS = 20
_WARN_AFTER_S = 3.0
_RECONNECT_BACKOFF_MS_MAX = 1_000

_log = logging.getLogger("asynq_compat")
# kafka-python warns of every attempt to connect; without a handler of its own Python prints that to stderr.
logging.getLogger("kafka").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Connected:
    """A client of kafka-python and the event loop under it."""

    client: Any
    network: Network


class Connector:
    """Makes clients of one cluster."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()  # Guards the next three.
        self._is_closed = False
        self._has_warned = False
        self._under_way: set[tuple[Network, Any]] = set()

    def connect(self, make: Callable[..., Any]) -> Connected:
        """Return the client that `make` connects; what it gives to `make` goes to the client's constructor.

        Raises:
            BrokerUnavailableError: No broker answered in time, or the attempt was given up; names the addresses and the causes.
        """
        begun: list[tuple[Network, Any]] = []

        def begin(**options: Any) -> Any:
            options["proxy_url"] = f"{SCHEME}://"
            network = Network(**options)
            manager = KafkaConnectionManager(network, **options)
            begun.append((network, manager))
            with self._lock:
                self._under_way.add(begun[-1])
                if self._is_closed:
                    network.call_soon_threadsafe(manager.close)
            return KafkaNetClient(net=network, manager=manager)

        alarm = threading.Timer(_WARN_AFTER_S, self._warn)
        alarm.daemon = True
        alarm.start()
        try:
            client = self._make(make, begin, begun)
            self._has_warned = False
        except kafka.errors.KafkaConfigurationError:
            raise  # A mistake of this package.
        except kafka.errors.KafkaError as error:
            raise BrokerUnavailableError(
                f"no Kafka broker answered within {self._settings.connects_within_s:g} s: "
                f"{why_unreachable(self._settings.bootstrap)}"
            ) from error
        finally:
            alarm.cancel()
            alarm.join()
        return Connected(client, begun[-1][0])

    def _warn(self) -> None:
        """Say once in an outage that nobody answers; called while an attempt is under way."""
        with self._lock:
            is_told, self._has_warned = self._has_warned or self._is_closed, True
        if not is_told:
            _log.warning(
                "no Kafka broker at %s has answered for %g s, still trying; is it running, and is this its address?",
                ",".join(self._settings.bootstrap),
                _WARN_AFTER_S,
            )

    def _make(self, make: Callable[..., Any], begin: Callable[..., Any], begun: list[tuple[Network, Any]]) -> Any:
        try:
            client = make(kafka_client=begin, **self._options())
        except BaseException:
            self._no_longer_under_way(begun)  # First: an event loop that is closed takes no calls.
            for network, manager in begun:  # A constructor that fails leaves its thread and sockets behind.
                manager.close()
                network.close()
            raise
        self._no_longer_under_way(begun)
        return client

    def _no_longer_under_way(self, begun: list[tuple[Network, Any]]) -> None:
        with self._lock:
            self._under_way.difference_update(begun)

    def give_up(self) -> None:
        """Let every attempt that is under way fail now."""
        with self._lock:
            for network, manager in self._under_way:
                network.call_soon_threadsafe(manager.close)

    def close(self) -> None:
        """Let attempts fail from now on, those that are under way too."""
        with self._lock:
            self._is_closed = True
        self.give_up()

    def _options(self) -> dict[str, Any]:
        """Return the options that all clients share."""
        timeout_ms = int(self._settings.request_timeout_s * 1000)
        return {
            "bootstrap_servers": list(self._settings.bootstrap),
            "client_id": "asynq_compat",
            "bootstrap_timeout_ms": int(self._settings.connects_within_s * 1000),
            "request_timeout_ms": timeout_ms,
            "reconnect_backoff_ms": 50,
            "reconnect_backoff_max_ms": _RECONNECT_BACKOFF_MS_MAX,
            "retry_backoff_ms": _RETRY_BACKOFF_MS,
        }
