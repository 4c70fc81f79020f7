"""When may a machine version hold on a queue's journal, and how does it come to hold?

Contract: handles of its own on the journals, folded once. Nothing is activated on any of them unless all could be; whether a server joined
meanwhile is for the log to say, and is told.
Not obvious: a silent journal believes that its servers live. A tick tells it what time it is before the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Self

from asynq_compat.brokers.journal.history.past import partition_count
from asynq_compat.brokers.journal.history.servers import ServerNames
from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints
from asynq_compat.brokers.journal.keeping.folding import Folding
from asynq_compat.errors import InvalidArgumentError, MachineVersionError
from asynq_compat.journals.journal import JournalStore, queue_journal_name
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.machine.versions import Versions
from asynq_compat.ports.history import PartitionVersions, ServerVersion
from asynq_compat.rules.go_text import go_quoted
from asynq_compat.wire import command


class Activation:
    """Queues' journals, one a partition, folded to ask for machine versions. ``with Activation(...) as activation:`` closes them.

    Args:
        store: Where they stand.
        queues: The queues.
        versions: The machine versions that this release knows.

    Raises:
        QueueNotFoundError: There is no such queue.
        BrokerUnavailableError: A journal does not answer.
        NewerReleaseError: A version holds that this release does not know.
    """

    def __init__(self, store: JournalStore, queues: Sequence[str], versions: Versions) -> None:
        self._versions = versions
        self._names = ServerNames(store)
        with ExitStack() as opened:
            self._foldings = {
                (queue, partition): self._folded(store, queue, partition, opened)
                for queue in queues
                for partition in range(partition_count(store, queue))
            }
            self._opened = opened.pop_all()

    def _folded(self, store: JournalStore, queue: str, partition: int, opened: ExitStack) -> Folding[Machine]:
        name = queue_journal_name(queue, partition)
        journal = store.open(name)
        opened.callback(journal.close)
        checkpoints = Checkpoints(store, name, snapshot_sections, partial(restore, queue, versions=self._versions))
        opened.callback(checkpoints.close)
        folding = Folding(journal, checkpoints, Machine(queue, versions=self._versions))
        folding.go_to(journal.end())
        return folding

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def look(self) -> Sequence[PartitionVersions]:
        """Return what holds and who knows what, as far as was read."""
        return [
            PartitionVersions(
                queue=queue,
                partition=partition,
                active_version=folding.fold.state.version,
                known_versions=sorted(self._versions),
                servers=[
                    ServerVersion(
                        server=self._names.of_server(session.server_id), newest_version=session.newest_version
                    )
                    for session in folding.fold.sessions()
                ],
            )
            for (queue, partition), folding in self._foldings.items()
        ]

    def activate(self, version: int) -> None:
        """Let a version hold from here on, on all of them.

        Raises:
            InvalidArgumentError: This release does not know it.
            MachineVersionError: It cannot hold on one of them; where that was not seen before, it holds on those before it.
        """
        if version not in self._versions:
            known = ", ".join(str(one) for one in sorted(self._versions))
            raise InvalidArgumentError(
                f"this program does not know machine version {version}, it knows {known}; "
                "use the command of the release that brings it"
            )
        for folding in self._foldings.values():
            folding.say(command.tick())
        for one in self.look():
            _check(one, version)
        for number, folding in enumerate(self._foldings.values()):
            if folding.fold.state.version != version and folding.say(command.activate(version)) != command.OK:
                _check(self.look()[number], version)


def _check(one: PartitionVersions, version: int) -> None:
    """Refuse what the journal would refuse.

    Raises:
        MachineVersionError: Says why.
    """
    where = f"partition {one.partition} of queue {go_quoted(one.queue)}"
    if one.active_version == version:
        return
    if one.active_version > version:
        raise MachineVersionError(
            f"machine version {one.active_version} holds on {where} already; there is no way back to {version}",
            version=version,
        )
    if not one.servers:
        raise MachineVersionError(
            f"nobody serves {where}: start a server of the release that brings machine version {version} first",
            version=version,
        )
    behind = [server for server in one.servers if server.newest_version < version]
    if behind:
        shown = ", ".join(f"{server.server} (knows {server.newest_version})" for server in behind)
        raise MachineVersionError(
            f"machine version {version} cannot hold on {where} while a server does not know it: {shown}; upgrade or stop it",
            version=version,
            servers=tuple(server.server for server in behind),
        )
