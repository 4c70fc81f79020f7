"""Which cluster is it, and how long may it take to answer?

Contract: a value; checked when it is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from asynq_compat.errors import InvalidArgumentError

_CONNECT_TIMEOUT_S = 10.0
_LEGAL = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Where a cluster is and what our topics are called.

    Attributes:
        bootstrap: "host:port" of some of its brokers.
        namespace: What the names of our topics begin with.
        request_timeout_s: How long an append or a question may take before it counts as unanswered.
        connect_timeout_s: How long a connection may take; None: 10 seconds, less if `request_timeout_s` is.
        replication_factor: Of topics made here; -1 leaves it to the cluster.
    """

    bootstrap: tuple[str, ...]
    namespace: str = "asynq"
    request_timeout_s: float = 30.0
    connect_timeout_s: float | None = None
    replication_factor: int = -1

    def __post_init__(self) -> None:
        if not self.bootstrap or not all(re.fullmatch(r".+:\d{1,5}", address) for address in self.bootstrap):
            raise InvalidArgumentError(f"bootstrap must be addresses such as localhost:9092, got {self.bootstrap!r}")
        if not _LEGAL.fullmatch(self.namespace):
            raise InvalidArgumentError(
                f"namespace must consist of letters, digits, '.', '_' and '-', got {self.namespace!r}; asynq is the default"
            )
        if not self.request_timeout_s > 0:
            raise InvalidArgumentError(
                f"request_timeout_s must be above 0, got {self.request_timeout_s}; 30 is the default"
            )

    @property
    def connects_within_s(self) -> float:
        """How long a connection may take."""
        return self.connect_timeout_s or min(_CONNECT_TIMEOUT_S, self.request_timeout_s)

    @property
    def address(self) -> str:
        """The brokers and the namespace as a URL."""
        return f"kafka://{','.join(self.bootstrap)}/{self.namespace}"
