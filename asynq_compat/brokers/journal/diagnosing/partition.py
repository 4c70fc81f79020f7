"""How is one partition of a queue: can it be read, does somebody serve it, do its servers agree, and is it kept short?

Contract: a handle of its own on the journal, folded once from the newest checkpoint on. ``with PartitionDiagnosis(...) as diagnosis:`` closes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Self

from asynq_compat.brokers.journal.history.servers import ServerNames
from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints
from asynq_compat.brokers.journal.keeping.folding import Folding
from asynq_compat.journals.journal import BEFORE_THE_FIRST, JournalStore, queue_journal_name
from asynq_compat.machine.applied import SessionView
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.machine.versions import Versions
from asynq_compat.ports.diagnosing import Finding, Severity

# Some seconds of reading for whoever starts; servers write a checkpoint long before.
_ENTRIES_WITHOUT_CHECKPOINT_MAX = 200_000


class PartitionDiagnosis:
    """One partition, folded.

    Raises:
        BrokerUnavailableError: A journal does not answer.
        NewerReleaseError: A machine version holds that this release does not know.
        CorruptDataError: It was cut, and no checkpoint tells what was before.
    """

    def __init__(self, store: JournalStore, queue: str, number: int, versions: Versions) -> None:
        self._queue = queue
        self._number = number
        self._store = store
        self._versions = versions
        name = queue_journal_name(queue, number)
        self._journal = store.open(name)
        self._checkpoints = Checkpoints(store, name, snapshot_sections, partial(restore, queue, versions=versions))
        try:
            folding = Folding(self._journal, self._checkpoints, Machine(queue, versions=versions))
            self._begun_at = folding.last
            self._end = self._journal.end()
            folding.go_to(self._end)
            self._machine = folding.fold
            self._last = folding.last
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the journals."""
        self._checkpoints.close()
        self._journal.close()

    def findings(self, now_ms: int) -> Iterator[Finding]:
        """Yield how it is."""
        yield self._entries()
        yield self._servers(now_ms)
        yield self._version()
        yield self._checkpoint(now_ms)

    def _finding(self, check: str, severity: Severity, message: str) -> Finding:
        where = f"partition {self._number}: " if self._number else ""
        return Finding(check=check, severity=severity, message=where + message, queue=self._queue)

    def _entries(self) -> Finding:
        count = self._machine.counts().unreadable
        if self._last is not None and not self._last.is_log_time:
            message = "its entries bear their writers' time, not the log's; set message.timestamp.type=LogAppendTime"
            return self._finding("log_time", Severity.PROBLEM, message)
        if not count:
            return self._finding("unreadable", Severity.FINE, "every entry could be read")
        message = f"entries skipped so far, since they could not be read: {count}; `asynq-compat journal describe {self._queue}` says which"
        return self._finding("unreadable", Severity.WARNING, message)

    def _servers(self, now_ms: int) -> Finding:
        counts, sessions = self._machine.counts(), len(self._machine.sessions())
        if silent := self._silent(now_ms):
            held = sum(session.assigned_count for session in silent)
            message = f"tasks of servers that say nothing any more: {held} (servers: {len(silent)}); they died, or cannot reach the broker"
            return self._finding("orphans", Severity.WARNING, message)
        if counts.orphaned:
            message = f"tasks of servers that are gone: {counts.orphaned}; they wait for a server to recover them"
            return self._finding("orphans", Severity.WARNING, message)
        if counts.pending and not sessions:
            message = f"pending tasks: {counts.pending}, and no server serves the queue"
            return self._finding("servers", Severity.WARNING, message)
        return self._finding("servers", Severity.FINE, f"servers: {sessions}, pending tasks: {counts.pending}")

    def _silent(self, now_ms: int) -> list[SessionView]:
        """Return the servers that hold tasks and would have lost them, had anybody told the journal what time it is."""
        written_ms = now_ms if self._last is None else self._last.timestamp_ms
        lease_ms = self._machine.lease_clock_ms + max(now_ms - written_ms, 0)
        return [one for one in self._machine.sessions() if one.assigned_count and one.expires_ms <= lease_ms]

    def _version(self) -> Finding:
        active = self._machine.state.version
        known = {session.server_id: session.newest_version for session in self._machine.sessions()}
        if len(set(known.values())) > 1:
            names = ServerNames(self._store)
            told = ", ".join(f"{names.of_server(one)} up to {newest}" for one, newest in sorted(known.items()))
            return self._finding(
                "machine_version", Severity.WARNING, f"machine version {active} holds; servers differ: {told}"
            )
        common = min([*known.values(), max(self._versions)])
        message = f"machine version {active} holds"
        if known and common > active:
            message += f"; all servers know {common}: `asynq-compat journal activate {common}` lets it hold"
        return self._finding("machine_version", Severity.FINE, message)

    def _checkpoint(self, now_ms: int) -> Finding:
        begun = self._begun_at
        behind = self._end - (BEFORE_THE_FIRST if begun is None else begun.position)
        if begun is None:
            message = f"no checkpoint yet, {behind} entries"
        else:
            age = timedelta(seconds=max(now_ms - begun.timestamp_ms, 0) // 1000)
            message = f"the newest checkpoint is {age} old, {behind} entries came since"
        if behind <= _ENTRIES_WITHOUT_CHECKPOINT_MAX:
            return self._finding("checkpoint", Severity.FINE, message)
        return Finding(
            check="checkpoint",
            severity=Severity.WARNING,
            message=f"partition {self._number}: {message}: whoever starts reads them all; does a server run?",
            queue=self._queue,
            names=(str(self._number),),
            remedy="write a checkpoint",
        )
