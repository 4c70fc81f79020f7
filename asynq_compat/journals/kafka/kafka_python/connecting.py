"""How does a client of kafka-python come to its connection?

Contract: a client connects or says why not, naming addresses and causes; `give_up` ends attempts under way. Once a client is closed, or
failed to connect, none of its sockets is open.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kafka.errors
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager

from asynq_compat.journals.kafka.connector import BaseConnector
from asynq_compat.journals.kafka.kafka_python.network import SCHEME, Network, TLSSockets
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.tls import tls_context
from asynq_compat.journals.kafka.unreachable import (
    NO_LOGIN,
    WARN_AFTER_S,
    login_refused,
    tls_failed,
)

METADATA_THROTTLE_MS = 5
_IDLE_MS = 540_000  # The library's own; it has to be above how long an answer may take.
_RETRY_BACKOFF_MS = 20
_RECONNECT_BACKOFF_MS_MAX = 1_000

# kafka-python warns of every attempt to connect; without a handler of its own Python prints that to stderr.
logging.getLogger("kafka").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Connected:
    """A client of kafka-python and the event loop under it."""

    client: Any
    network: Network
    manager: KafkaConnectionManager

    def break_off(self) -> None:
        """Break its connections: what waits for them fails. Any thread may."""
        with contextlib.suppress(RuntimeError):  # It is over already.
            self.network.call_soon_threadsafe(self.manager.close)


class _Manager(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no types
    """The connections of one client; tells why one did not come about, and gives up where trying again is in vain."""

    def __init__(self, network: Network, settings: KafkaSettings, heard: dict[str, str], **options: Any) -> None:
        super().__init__(network, **options)
        self._network = network
        self._settings = settings
        self._heard = heard
        self._refusals: set[str] = set()

    def get_connection(self, node_id: Any, *args: Any, **options: Any) -> Any:
        """Return the connection to a broker, begun if there is none."""
        connection = super().get_connection(node_id, *args, **options)
        if not connection.init_future.is_done:
            node = self.cluster.broker_metadata(node_id)
            address = f"{node.host}:{node.port}"
            connection.init_future.add_callback(lambda _: self._heard.pop(address, None))
            connection.init_future.add_errback(lambda error: self._note(address, error))
        return connection

    def _note(self, address: str, error: Exception) -> None:
        if refusal := self._refusal(error):
            self._heard[address] = refusal
            self._refusals.add(address)
        if not self.bootstrapped and self._refusals.issuperset(self._settings.bootstrap):
            self._network.call_soon(self.close)

    def _refusal(self, error: Exception) -> str:
        """Return why the broker will not let us in however often we try, "" if it may."""
        text = re.sub(r"^(\[Error \d+\] )?(\w+Error: )*", "", str(error)) or type(error).__name__
        if isinstance(error, kafka.errors.IllegalSaslStateError):
            return NO_LOGIN
        if isinstance(error, kafka.errors.SaslAuthenticationFailedError | kafka.errors.UnsupportedSaslMechanismError):
            return login_refused(self._settings, text)
        is_of_tls = self._settings.encryption and ("Handshake failed" in text or "SSL" in text)
        return tls_failed(self._settings, text) if is_of_tls else ""


class Connector(BaseConnector):
    """Makes clients of one cluster; raises as `BaseConnector`."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings)
        self._under_way: set[tuple[Network, Any]] = set()

    def connect(self, make: Callable[..., Any], *, is_driven: bool = False) -> Connected:
        """Return the client that `make` connects; what it gives to `make` goes to the client's constructor.

        Args:
            make: Calls the constructor.
            is_driven: The client has no thread of its own, and is used by one thread at a time.

        Raises:
            BrokerUnavailableError: No broker answered in time, or the attempt was given up; names the addresses and the causes.
        """
        begun: list[tuple[Network, Any]] = []

        def begin(**options: Any) -> Any:
            options["proxy_url"] = f"{SCHEME}://"
            network = Network(is_driven=is_driven, **options)
            if self._settings.encryption is not None:
                options["ssl_context"] = tls_context(self._settings.encryption, TLSSockets.of(network))
            manager = _Manager(network, self._settings, self._heard, **options)
            begun.append((network, manager))
            with self._lock:
                self._under_way.add(begun[-1])
                if self._is_closed:
                    network.call_soon_threadsafe(manager.close)
            return KafkaNetClient(net=network, manager=manager)

        alarm = threading.Timer(WARN_AFTER_S, self._warn)
        alarm.daemon = True
        alarm.start()
        try:
            client = self._make(make, begin, begun)
            self._has_warned = False
        except kafka.errors.KafkaConfigurationError:
            raise  # A mistake of this package.
        except kafka.errors.KafkaError as error:
            raise self._nobody() from error
        finally:
            alarm.cancel()
            alarm.join()
        return Connected(client, *begun[-1])

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

    def _options(self) -> dict[str, Any]:
        """Return the options that all clients share."""
        timeout_ms = int(self._settings.request_timeout_s * 1000)
        login = self._settings.login
        return {
            "bootstrap_servers": list(self._settings.bootstrap),
            "client_id": self._settings.client_id,
            "security_protocol": self._settings.protocol,
            "sasl_mechanism": login.mechanism if login else None,
            "sasl_plain_username": login.username if login else None,
            "sasl_plain_password": login.password if login else None,
            "bootstrap_timeout_ms": int(self._settings.connects_within_s * 1000),
            "request_timeout_ms": timeout_ms,
            "connections_max_idle_ms": max(_IDLE_MS, 2 * timeout_ms),
            "reconnect_backoff_ms": 50,
            "reconnect_backoff_max_ms": _RECONNECT_BACKOFF_MS_MAX,
            "retry_backoff_ms": _RETRY_BACKOFF_MS,
        }
