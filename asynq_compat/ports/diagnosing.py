"""Is a broker, and what it holds, as it should be?

Contract: looking changes nothing that a program would notice. What `repair` mends it looks at again in the same atomic step: what has changed
meanwhile is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from asynq_compat.ports.history import Progress


class Severity(IntEnum):
    """How much a finding matters; the worst one is the exit code of `asynq-compat doctor`."""

    FINE = 0
    WARNING = 1
    PROBLEM = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, and how it is.

    Attributes:
        check: What was looked at, a word that does not change: "eviction_policy".
        message: How it is, and what to do where it is not as it should be.
        queue: Whose; "" where it is the broker's.
        names: Tasks or servers that it is about.
        remedy: What `repair` would do; "" where nothing can be done safely from here.
    """

    check: str
    severity: Severity
    message: str
    queue: str = ""
    names: Sequence[str] = ()
    remedy: str = ""


class Diagnosing(Protocol):
    """What a doctor asks of a broker. One caller at a time."""

    def facts(self) -> Mapping[str, str]:
        """Return what the broker tells of itself, in its own words: version, uptime, memory."""

    def findings(self, progress: Progress) -> Sequence[Finding]:
        """Look at everything; what cannot be looked at, for lack of a right, is a finding too.

        Raises:
            BrokerUnavailableError: It does not answer.
        """

    def repair(self, finding: Finding) -> int:
        """Do what the finding's remedy says; return how many of its names were mended.

        Raises:
            UnsupportedByBroker: It has no remedy.
        """
