"""What does a journal come to, for who folds it once and follows it no further?

Contract: one thread; nothing is shared with a replica of this process. It begins with the newest checkpoint that can be loaded.
Not obvious: what this release would misunderstand is not folded: where a machine version begins that it does not know, that is an error.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Generic, TypeVar

from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints
from asynq_compat.errors import NewerReleaseError
from asynq_compat.journals.journal import BEFORE_THE_FIRST, Entry, Journal
from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.wire.command import Command
from asynq_compat.wire.frame import encode_frame

_F = TypeVar("_F", bound=Machine | ControlMachine)

_WAIT_S = 5.0


class Folding(Generic[_F]):
    """A journal folded by who follows it no further.

    Args:
        journal: The journal; closed by whoever opened it.
        checkpoints: Those of the journal.
        fold: An empty fold, for where there is no checkpoint.

    Raises:
        BrokerUnavailableError: A journal does not answer.
        NewerReleaseError: The newest checkpoint is a later release's.
    """

    def __init__(self, journal: Journal, checkpoints: Checkpoints[_F], fold: _F) -> None:
        restored = checkpoints.load(journal, lambda _: None)
        self.journal = journal
        self.fold: _F = fold if restored is None else restored.fold
        self.last: Entry | None = None if restored is None else restored.entry
        self._upto = BEFORE_THE_FIRST if restored is None else restored.entry.position
        self._outcomes: Sequence[Outcome] = ()

    def go_to(self, position: int) -> None:
        """Apply everything up to a position.

        Raises:
            BrokerUnavailableError: The journal does not answer.
            NewerReleaseError: A machine version begins on the way that this release does not know.
        """
        while self._upto < position:
            batch = self.journal.read(self._upto, wait_s=_WAIT_S)
            for entry in batch.entries:
                one = self.fold.apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, entry.headers)
                self.last = entry
                if isinstance(self.fold, Machine):
                    check_version(self.fold, self.journal.name)
                if entry.position == position:
                    self._outcomes = one.outcomes
            self._upto = batch.upto

    def say(self, command: Command) -> Outcome:
        """Append a command, go to where it stands, and return its outcome. Raises as `go_to`."""
        # A writer a frame: one whose answer was lost does not stand in the next one's way.
        self.go_to(self.journal.append(encode_frame(os.urandom(16), 1, [command])))
        return self._outcomes[0]


def check_version(machine: Machine, name: str) -> None:
    """Refuse to go on where a machine stands in a version that this release does not know.

    Raises:
        NewerReleaseError: It does.
    """
    version = machine.unsupported_version()
    if version is not None:
        raise newer_release(name, machine.position, version)


def newer_release(name: str, position: int, version: int) -> NewerReleaseError:
    """Return the error of a journal that this release does not understand from a position on."""
    return NewerReleaseError(
        f"from position {position} on {name} uses machine version {version}, which this release does not know; upgrade this process"
    )
