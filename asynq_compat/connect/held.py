"""Who lets go of the broker that a client, an inspector or a semaphore holds?

Contract: a broker that was passed in open stays open. One that was made from a client of redis-py is not closed by name, as in Go; the end
of a ``with`` lets go of it all the same. Legal to let go twice.
"""

from __future__ import annotations

from asynq_compat.connect.opening import BrokerTarget, open_broker
from asynq_compat.errors import ServerStateError
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.clock import Clock


class HeldBroker:
    """A broker in one holder's hands.

    Args:
        target: As for `open_broker`.
        holder: What the user calls the holder: ``Client``.
        clock: As for `open_broker`.
        replica: As for `open_broker`.

    Attributes:
        broker: The broker, open.
        is_owner: Whether it ends with its holder.
        is_shared: Whether the holder was made from a client of redis-py.
        is_closed: Whether the holder has let go of it.
    """

    def __init__(self, target: BrokerTarget, holder: str, *, clock: Clock | None = None, replica: bool = False) -> None:
        self._holder = holder
        self.is_owner = not isinstance(target, Broker)
        self.is_shared = False
        self.is_closed = False
        self.broker = open_broker(target, clock=clock, replica=replica)

    def close(self) -> None:
        """Let go of it, at the holder's `close`.

        Raises:
            ServerStateError: The Redis is shared with a client of redis-py.
        """
        if self.is_shared and self.broker.family == "redis":
            raise ServerStateError(f"redis connection is shared so the {self._holder} can't be closed through asynq")
        self.let_go()

    def let_go(self) -> None:
        """Close the broker if it is the holder's own."""
        if not self.is_closed:
            self.is_closed = True
            if self.is_owner:
                self.broker.close()

    def check_open(self) -> None:
        """Refuse to go on after the end.

        Raises:
            ServerStateError: The holder has let go of it.
        """
        if self.is_closed:
            raise ServerStateError(f"the {self._holder.lower()} is closed; make another {self._holder}")
