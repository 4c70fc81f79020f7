"""What is a broker?

Contract: a frozen record of ports. What wraps a broker replaces the ports that it changes (`dataclasses.replace`) and passes the
rest through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asynq_compat.ports.administering import Administering
from asynq_compat.ports.consuming import Consuming
from asynq_compat.ports.diagnosing import Diagnosing
from asynq_compat.ports.history import History
from asynq_compat.ports.inspecting import Inspecting
from asynq_compat.ports.limiting import Limiting
from asynq_compat.ports.maintaining import Duty, Maintaining
from asynq_compat.ports.observing import Observing
from asynq_compat.ports.producing import Producing
from asynq_compat.ports.registering import Registering
from asynq_compat.ports.scheduling import Scheduling
from asynq_compat.ports.signalling import Signalling


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The ports of one broker, opened.

    Attributes:
        family: "redis" or "journal".
        address: Where it is, for logs and errors; never a password.
        duties: What the engine has to do for it.
        recovery_interval_s: How often it is worth asking for expired leases.
        ping: Ask the broker whether it answers; raises BrokerUnavailableError.
        history: What it remembers of the past; None where it keeps no log.
        observing: How far this process is with its journals; None where it has none.
        company_s: How long one of many tasks that come one by one may wait for others, seconds; 0 where a call costs little by itself.
        close: Let go of its connections, threads and files. Legal twice.
    """

    family: str
    address: str
    producing: Producing
    consuming: Consuming
    maintaining: Maintaining
    registering: Registering
    signalling: Signalling
    scheduling: Scheduling
    inspecting: Inspecting
    administering: Administering
    limiting: Limiting
    diagnosing: Diagnosing
    duties: frozenset[Duty]
    recovery_interval_s: float
    ping: Callable[[], None]
    close: Callable[[], None]
    history: History | None = None
    observing: Observing | None = None
    company_s: float = 0.0
