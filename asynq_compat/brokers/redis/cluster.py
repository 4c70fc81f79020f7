"""How does a request reach the nodes of a cluster?

Contract: as `Link`; thread-safe. Commands go to the nodes of their slots, in order at each, one node after the other; each node has a pool
of connections of its own. A redirect (MOVED, ASK) is followed `max_redirects` times. A node that does not answer, and replies that pass
(TRYAGAIN, CLUSTERDOWN, ...), are tried again with a back-off until the dial timeout is over, by a table of slots that is asked for anew.
Not obvious: when only some of the commands get no answer, theirs are refusals of our own (DOWN, LOST), so that what the others did is not
forgotten.
Source: the Redis Cluster specification; docs/redis.md, "Cluster"; ADR 0025.
"""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Sequence

from redis import exceptions

from asynq_compat.brokers.redis.commands import Answer, Command, Refusal, command
from asynq_compat.brokers.redis.connection import RedisConnection
from asynq_compat.brokers.redis.link import Exchange, Link, backoff_s, is_open
from asynq_compat.brokers.redis.node import FAILURES, Failure, Node
from asynq_compat.brokers.redis.pool import PoolClosedError
from asynq_compat.brokers.redis.refusals import direct_cause, is_passing, refused
from asynq_compat.brokers.redis.settings import DEFAULT_PORT, RedisSettings, host_and_port
from asynq_compat.brokers.redis.slots import SlotTable, address_at, key_of, read_slots, redirected_to, slot_of
from asynq_compat.errors import AsynqError, BrokerUnavailableError

_SLOTS = command(b"CLUSTER", b"SLOTS")
_REDIRECTS = frozenset({"MOVED", "ASK"})


class _Errand:
    """One command on its way."""

    __slots__ = ("answer", "asks", "command", "failure", "index", "redirects", "slot", "target", "was_sent")

    def __init__(self, index: int, one: Command) -> None:
        key = key_of(one.packed)
        self.index = index
        self.command = one
        self.slot = None if key is None else slot_of(key)
        self.target: str | None = None  # Where a redirect sends it; None: by the table.
        self.asks = False
        self.redirects = 0  # In a row.
        self.answer: Answer = None
        self.failure: Failure | None = None
        self.was_sent = False


class ClusterLink(Link):
    """The way to a cluster."""

    def __init__(self, settings: RedisSettings) -> None:
        super().__init__(settings)
        self._seeds = [address_at(*host_and_port(addr, DEFAULT_PORT), addr) for addr in settings.cluster]
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()  # Guards _nodes; held while the table is asked for.
        self._nodes: dict[str, Node] = {}
        self._table: SlotTable | None = None
        self._is_stale = False
        self._suspects: frozenset[str] = (
            frozenset()
        )  # Nodes whose last attempt failed: asked last where another will do.

    def run(self, commands: Sequence[Command]) -> Exchange:
        """Send `commands`; see `Link`."""
        if os.getpid() != self._pid:
            self._begin()
        errands = [_Errand(index, one) for index, one in enumerate(commands)]
        waiting = errands
        give_up_at = time.monotonic() + self.settings.dial_timeout_s
        attempt, resent = 0, set[int]()
        while waiting:
            self._round(waiting, give_up_at)
            resent.update(one.index for one in waiting if one.failure is not None and one.failure.was_sent)
            waiting = [one for one in waiting if self._is_unfinished(one)]
            if all(map(_is_redirect, waiting)):
                continue
            if time.monotonic() > give_up_at or self.is_closed.is_set():
                break
            self.is_closed.wait(backoff_s(attempt))
            attempt += 1
        failed = [one for one in errands if one.failure is not None]
        if failed and len(failed) == len(errands):
            self._raise(failed)
        return Exchange([self._answer(one) for one in errands], resent)

    def dedicated(self, key: bytes = b"") -> RedisConnection:
        """Return an open connection to the node of `key`, outside the pool; see `Link`."""
        if os.getpid() != self._pid:
            self._begin()
        table, failure = self._current(time.monotonic() + self.settings.dial_timeout_s)
        address = None if table is None else table.address_of(slot_of(key))
        candidates = [address] if key and address else self._nodes_to_ask(table)
        for candidate in candidates:
            try:
                return self._node(candidate).dial()
            except FAILURES as error:
                self._suspect(candidate)
                failure = Failure(error, was_sent=False, has_dialled_too_long=False)
        assert failure is not None
        outage = self.outage(failure.error, was_sent=False)
        raise outage from direct_cause(failure.error)

    def heed(self, refusal: Refusal) -> None:
        """Take note that a key has gone elsewhere."""
        self._is_stale = self._is_stale or refusal.code in {"MOVED", "CLUSTERDOWN", "READONLY", "UNBLOCKED"}

    def close(self) -> None:
        """Close all connections. Legal twice."""
        self.is_closed.set()
        for node in list(self._nodes.values()):
            node.close()

    def _round(self, errands: Sequence[_Errand], give_up_at: float) -> None:
        """Send each errand once, to where it belongs now."""
        table, failure = self._current(give_up_at)
        by_place: dict[tuple[str, bool], list[_Errand]] = {}
        for one in errands:
            one.failure = None
            address = one.target or self._address_of(one, table)
            if address is None and failure is not None:
                one.failure = failure
            elif address is None:
                one.answer = Refusal("CLUSTERDOWN", f"CLUSTERDOWN no node has slot {one.slot}")
            else:
                by_place.setdefault((address, one.asks), []).append(one)
        for (address, asks), group in by_place.items():
            found = self._attempt(address, group, asks=asks)
            if isinstance(found, Failure):
                self._suspect(address)
                for one in group:
                    one.failure, one.target, one.asks = found, None, False
                    one.was_sent = one.was_sent or found.was_sent
            else:
                self._suspects -= {address}
                for one, answer in zip(group, found, strict=True):
                    self._take(one, answer, address)

    def _attempt(self, address: str, group: Sequence[_Errand], *, asks: bool) -> list[Answer] | Failure:
        """Send once to one node; what it alone cannot do is no reason to forget what the others did."""
        try:
            return self._node(address).attempt([one.command for one in group], asks=asks)
        except PoolClosedError as error:
            if self.is_closed.is_set():
                raise
            # Another thread has heard that the node has left the cluster.
            return Failure(exceptions.ConnectionError(str(error)), was_sent=False, has_dialled_too_long=False)
        except AsynqError as error:
            return [Refusal("DOWN", str(error))] * len(group)

    def _take(self, one: _Errand, answer: Answer, address: str) -> None:
        one.answer, one.target, one.asks = answer, None, False
        if not isinstance(answer, Refusal):
            return
        if answer.code in _REDIRECTS:
            one.target, one.asks = redirected_to(answer.text, address), answer.code == "ASK"
        if answer.code == "MOVED" or is_open(answer):
            self._is_stale = True

    def _is_unfinished(self, one: _Errand) -> bool:
        """Return whether it is to be sent again. While a slot moves, ASK and TRYAGAIN take turns until it has moved: that is no chase."""
        if _is_redirect(one):
            one.redirects += 1
            return one.redirects <= self.settings.max_redirects
        one.redirects = 0
        return is_open(one.answer) if one.failure is None else is_passing(one.failure.error)

    def _address_of(self, one: _Errand, table: SlotTable | None) -> str | None:
        if table is None:
            return None
        if one.slot is None:
            return self._nodes_to_ask(table)[0]
        return table.address_of(one.slot)

    def _current(self, give_up_at: float) -> tuple[SlotTable | None, Failure | None]:
        """Return the table, asked for anew where it may be old; None and the cause when no node tells in time."""
        table = self._table
        if table is not None and not self._is_stale:
            return table, None
        with self._lock:
            if self._table is not table or (self._table is not None and not self._is_stale):
                return self._table, None  # Another thread has asked meanwhile.
            self._is_stale = False
            failure: Failure | None = None
            for address in self._nodes_to_ask(table):
                if failure is not None and time.monotonic() > give_up_at:
                    break
                found = self._node_locked(address).attempt([_SLOTS])
                if isinstance(found, Failure):
                    failure = found
                    self._suspects |= {address}
                elif isinstance(found[0], Refusal):
                    if not is_open(found[0]):
                        raise self._no_cluster(address, found[0])
                else:
                    self._install(read_slots(found[0], address))
                    return self._table, None
            self._is_stale = True
            return table, failure

    def _nodes_to_ask(self, table: SlotTable | None) -> list[str]:
        """Return all nodes that are known, those first that can be expected to answer."""
        known = dict.fromkeys([*sorted(table.addresses if table else ()), *self._seeds])
        return sorted(known, key=lambda address: address in self._suspects)

    def _suspect(self, address: str) -> None:
        self._suspects |= {address}
        self._is_stale = True

    def _no_cluster(self, address: str, refusal: Refusal) -> AsynqError:
        if "cluster support disabled" in refusal.text or refusal.text.startswith("unknown command"):
            return BrokerUnavailableError(
                f"redis at {address} is no node of a cluster; connect with RedisClientOpt, or redis://{address}"
            )
        return refused(address, refusal)

    def _install(self, table: SlotTable) -> None:
        for address in set(self._nodes) - table.addresses - set(self._seeds):
            self._nodes.pop(address).close()
        self._table = table

    def _node(self, address: str) -> Node:
        node = self._nodes.get(address)
        if node is None:
            with self._lock:
                node = self._node_locked(address)
        return node

    def _node_locked(self, address: str) -> Node:
        if address not in self._nodes:
            if self.is_closed.is_set():
                raise PoolClosedError(f"the connection to redis at {self.address} was closed by this program")
            self._nodes[address] = Node(dataclasses.replace(self.settings, addr=address, cluster=()))
        return self._nodes[address]

    def _answer(self, one: _Errand) -> Answer:
        if _is_redirect(one):
            assert isinstance(one.answer, Refusal)
            return Refusal(
                "DOWN",
                f"redis cluster at {self.address} sent a command on more than {self.settings.max_redirects} times, last by "
                f"{one.answer.text}; is it being resharded? Raise max_redirects",
            )
        if one.failure is None:
            return one.answer
        outage = self.outage(one.failure.error, was_sent=one.was_sent)
        return Refusal("LOST" if getattr(outage, "may_have_happened", False) else "DOWN", str(outage))

    def _raise(self, failed: Sequence[_Errand]) -> None:
        worst = next((one for one in failed if one.was_sent), failed[0])
        assert worst.failure is not None
        outage = self.outage(worst.failure.error, was_sent=worst.was_sent)
        raise outage from direct_cause(worst.failure.error)


def _is_redirect(one: _Errand) -> bool:
    return one.failure is None and isinstance(one.answer, Refusal) and one.answer.code in _REDIRECTS
