"""How is the checkpoint of a large state written while nobody's handlers stand still?

Contract: a niced process of its own folds the journal as a new replica would, writes the checkpoint, marks, confirms and cuts. It shares
nothing with the process that began it but the place of the journals, which it reads from its standard input (there may be a password in
it); one JSON line on its standard output says what was written. It may be killed anywhere.
Not obvious: it is spawned, not forked: a fork of a process with threads may not touch their locks, and would copy every page that Python's
reference counts touch. It follows nothing, so the state can be written while it is read, without a second copy in memory.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from asynq_compat.brokers.journal.following.spill import Spill
from asynq_compat.brokers.journal.keeping.checkpointing import Snapshot, drive
from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints
from asynq_compat.brokers.journal.keeping.cutting import cut
from asynq_compat.brokers.journal.keeping.folding import Folding
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL, JournalStore, base_and_partition, queue_journal_name
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import control_sections, restore, restore_control, snapshot_sections
from asynq_compat.machine.versions import VERSIONS, Versions
from asynq_compat.wire import command
from asynq_compat.wire.checkpoint import Confirmed

_F = TypeVar("_F", bound=Machine | ControlMachine)

_NICE = 10
_LOOK_S = 0.1
# Longer than any state takes that fits into memory.
_TIMEOUT_S = 900.0


def checkpoint_apart(opens: Callable[[], JournalStore], name: str, stays_from: int, stopped: threading.Event) -> bool:
    """Let a process of its own write a checkpoint; return whether the journal accepted it.

    Args:
        opens: Opens the place where the journals are; travels to the other process.
        name: The journal.
        stays_from: Nothing at or behind this position is cut.
        stopped: When set, the process is ended.

    Raises:
        BrokerUnavailableError: It wrote none; says why.
    """
    process = subprocess.Popen(  # noqa: S603 - this interpreter, this module
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,  # A Ctrl-C is meant for the server, which ends it.
    )
    watch = threading.Thread(target=_end_when, args=(process, stopped), name="asynq-keeper-watch", daemon=True)
    watch.start()
    told, complaint = process.communicate(pickle.dumps((opens, name, stays_from)))
    watch.join()
    if process.returncode < 0:
        raise BrokerUnavailableError(
            f"the process that was to write it was ended by {_signal_name(-process.returncode)}"
        )
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise BrokerUnavailableError(f"the process that was to write it ended with {process.returncode}: {lines[-1:]}")
    return bool(json.loads(told)["is_accepted"])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end_when(process: subprocess.Popen[bytes], stopped: threading.Event) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while process.poll() is None:
        if stopped.wait(_LOOK_S) or time.monotonic() > deadline:
            process.kill()
            process.wait()


def write_one(store: JournalStore, name: str, stays_from: int, *, versions: Versions = VERSIONS) -> Confirmed | None:
    """Fold a journal, write its checkpoint and cut; None if there is nothing to write or another's was newer.

    Raises:
        BrokerUnavailableError: A journal does not answer.
        NewerReleaseError: A machine version holds that is not in `versions`.
    """
    if name == CONTROL:
        control = Checkpoints(store, name, control_sections, restore_control)
        return _write(store, name, control, ControlMachine(), stays_from)
    queue = base_and_partition(name)[0].removeprefix(queue_journal_name(""))
    of_queue = Checkpoints(
        store, name, snapshot_sections, lambda sections: restore(queue, sections, versions=versions, attic=Spill(name))
    )
    return _write(store, name, of_queue, Machine(queue, versions=versions, attic=Spill(name)), stays_from)


def _write(store: JournalStore, name: str, checkpoints: Checkpoints[_F], fold: _F, stays_from: int) -> Confirmed | None:
    journal, state = store.open(name), checkpoints.open()
    folding = Folding(journal, checkpoints, fold)
    folding.go_to(journal.end())
    entry = folding.last
    if entry is None:
        return None

    def mark(marker: command.Command) -> bool:
        return folding.say(marker) == command.OK

    sections = checkpoints.sections_of(folding.fold)
    confirmed = drive(Snapshot(os.urandom(16), entry, folding.fold.trail, sections), state, mark)
    if confirmed is not None:
        for _ in cut(journal, state, confirmed, folding.fold.marker_before, stays_from):
            pass
    return confirmed


def main() -> int:
    """Write the checkpoint that standard input names."""
    opens, name, stays_from = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - what this module's other half wrote
    os.nice(_NICE)
    gc.disable()
    store: JournalStore = opens()
    confirmed = write_one(store, name, stays_from)
    store.close()
    sys.stdout.write(json.dumps({"is_accepted": confirmed is not None}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
