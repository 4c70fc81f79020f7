"""Where is the master now?

Contract: thread-safe; asked whenever a connection is opened, so that after a failover each new one leads to the new master. The sentinels are
asked one after the other, first the one that answered last; others that it knows of are remembered.
Not obvious: a master that is gone breaks its connections, but one that was demoted by an operator lives on and takes tasks for some seconds, to
lose them later. So a thread hears from one of the sentinels when the master changes.
Source: docs/redis.md, "Sentinel".
"""

from __future__ import annotations

import dataclasses

from asynq_compat.brokers.redis.commands import Answer, Refusal, Reply, as_bytes, as_list, command
from asynq_compat.brokers.redis.connection import RedisConnection, new_connection
from asynq_compat.brokers.redis.node import FAILURES
from asynq_compat.brokers.redis.refusals import NoMasterError, UnknownMasterError, refused, unavailable
from asynq_compat.brokers.redis.settings import DEFAULT_SENTINEL_PORT, RedisSettings, host_and_port
from asynq_compat.errors import AsynqError, BrokerUnavailableError

_SWITCHES = b"+switch-master"


class Sentinels:
    """The sentinels of one master."""

    def __init__(self, settings: RedisSettings) -> None:
        self._name = settings.master_name
        # So that all of them can be asked while a connection may take to be opened.
        within_s = settings.dial_timeout_s / len(settings.sentinels)
        self._settings = dataclasses.replace(
            settings,
            sentinels=(),
            username=settings.sentinel_username,
            password=settings.sentinel_password,
            db=0,
            dial_timeout_s=within_s,
            read_timeout_s=within_s,
            write_timeout_s=within_s,
        )
        # Replaced, never changed.
        self._addresses = tuple(_addr(*host_and_port(addr, DEFAULT_SENTINEL_PORT)) for addr in settings.sentinels)
        self.found: tuple[str, int] | None = None  # What the last one to be asked was told.
        self._question = (
            command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._name.encode()).packed
            + command(b"SENTINEL", b"SENTINELS", self._name.encode()).packed
        )

    def master(self) -> tuple[str, int]:
        """Return the master's host and port.

        Raises:
            NoMasterError: No sentinel says; the text has the cause of each.
            UnknownMasterError: They watch none of this name.
        """
        causes: list[str] = []
        has_answered = False
        for address in self._addresses:
            try:
                master, others = self._ask(address)
            except AsynqError as error:
                causes.append(str(error))
                continue
            if master is not None:
                known = dict.fromkeys((address, *self._addresses, *others))
                if tuple(known) != self._addresses:
                    self._addresses = tuple(known)
                self.found = master
                return master
            has_answered = True
        if has_answered:
            raise UnknownMasterError(
                f"the sentinels {','.join(self._addresses)} watch no master called {self._name!r}; check master_name"
            )
        raise NoMasterError(f"no sentinel says where {self._name!r} is: {'; '.join(causes)}")

    def prefer(self, address: str) -> None:
        """Ask this one first: it has just heard news."""
        self._addresses = tuple(dict.fromkeys((address, *self._addresses)))

    def subscribe(self) -> tuple[str, RedisConnection] | None:
        """Return a sentinel and a connection on which it tells of masters that change; None when there is none."""
        for address in self._addresses:
            connection = new_connection(dataclasses.replace(self._settings, addr=address))
            try:
                connection.open()
                connection.send(command(b"SUBSCRIBE", _SWITCHES).packed)
                if not isinstance(connection.receive(), Refusal):
                    return address, connection
            except FAILURES:
                pass  # The next one then.
            connection.close()
        return None

    def concerns(self, message: Answer) -> bool:
        """Return whether a message on such a connection says that our master has changed."""
        if not isinstance(message, list) or message[0] != b"message":
            return False
        return as_bytes(message[2]).split(b" ")[0] == self._name.encode()

    def _ask(self, address: str) -> tuple[tuple[str, int] | None, list[str]]:
        """Return what one sentinel says: where the master is, and which other sentinels there are."""
        settings = dataclasses.replace(self._settings, addr=address)
        connection = new_connection(settings)
        try:
            connection.open()
            connection.send(self._question)
            master, others = connection.receive(), connection.receive()
        except FAILURES as error:
            raise unavailable(
                address,
                error,
                was_sent=False,
                dial_timeout_s=settings.dial_timeout_s,
                read_timeout_s=settings.read_timeout_s,
            ) from error
        finally:
            connection.close()
        if isinstance(master, list):
            host, port = (_text(part) for part in master)
            return (host, int(port)), _others(others if isinstance(others, list) else [])
        if isinstance(master, Refusal):
            if "unknown command" in master.text:
                raise BrokerUnavailableError(f"{address} is no sentinel but a Redis")
            raise refused(address, master)
        return None, []


def _others(sentinels: list[Reply]) -> list[str]:
    found = []
    for each in sentinels:
        parts = as_list(each)
        fields = dict(zip(map(_text, parts[::2]), map(_text, parts[1::2]), strict=True))
        if fields.get("ip") and fields.get("port", "").isdigit():
            found.append(_addr(fields["ip"], int(fields["port"])))
    return found


def _addr(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _text(part: Reply) -> str:
    return as_bytes(part).decode("utf-8", "replace")
