"""What does whoever makes connections know about those that do not come about?

Contract: thread-safe. Keeps by address what was heard of why a broker does not let us in, warns once in an outage, and lets attempts fail
when all is over.
"""

from __future__ import annotations

import abc
import threading

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.tls import tls_context
from asynq_compat.journals.kafka.unreachable import warn_of_silence, why_unreachable


class BaseConnector(abc.ABC):
    """Makes clients of one cluster.

    Raises:
        InvalidArgumentError: A file of the certificates is missing or wrong.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        if settings.encryption is not None:
            tls_context(settings.encryption)
        self._heard: dict[str, str] = {}  # By address: why a broker does not let us in. Any thread may write.
        self._lock = threading.Lock()  # Guards the next two, and what is under way.
        self._is_closed = False
        self._has_warned = False

    @abc.abstractmethod
    def give_up(self) -> None:
        """Let every attempt that is under way fail now."""

    def close(self) -> None:
        """Let attempts fail from now on, those that are under way too."""
        with self._lock:
            self._is_closed = True
        self.give_up()

    def heard(self) -> str:
        """Return why brokers do not let us in, as a part of a sentence; "" where none is known not to."""
        return "".join(f"; {address}: {cause}" for address, cause in list(self._heard.items()))

    def _warn(self) -> None:
        """Say once in an outage that nobody answers; called while an attempt is under way."""
        with self._lock:
            is_told, self._has_warned = self._has_warned or self._is_closed, True
        if not is_told:
            warn_of_silence(self._settings)

    def _nobody(self) -> BrokerUnavailableError:
        """Return what is said when no broker was reached; names the addresses and the causes."""
        within = f"answered within {self._settings.connects_within_s:g} s"
        causes = why_unreachable(self._settings.bootstrap, self._heard)
        return BrokerUnavailableError(f"no Kafka broker {'lets us in' if self._heard else within}: {causes}")
