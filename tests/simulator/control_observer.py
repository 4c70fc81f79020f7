"""Is the control journal folded as it should be?

Contract: as `observer`, for the journal that says which servers live, and what they tell of the queues: a machine of its own, a twin that was
restored from a snapshot, and dull books.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from asynq_compat.machine.applied import Verdict
from asynq_compat.machine.control import ControlApplied, ControlMachine
from asynq_compat.machine.snapshot import control_sections, restore_control
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import Frame, decode_frame
from tests.simulator.control_books import ControlBooks
from tests.simulator.observer import LOOK_CLOSELY
from tests.simulator.promises import check_marker, promise


@dataclass
class ControlObserver:
    """The one who sees every entry of the control journal."""

    rng: Random
    machine: ControlMachine = field(default_factory=ControlMachine)
    twin: ControlMachine | None = None
    until_ms: dict[str, int] = field(default_factory=dict)  # By server: until when its word holds.
    queues: dict[str, int] = field(default_factory=dict)
    told: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    books: ControlBooks = field(default_factory=ControlBooks)
    applied_frames: set[tuple[bytes, int]] = field(default_factory=set)
    markers: list[tuple[int, int]] = field(default_factory=list)
    trails: dict[int, bytes] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)

    def of_what_is_left(self, entries: list[tuple[int, tuple[int, int, bool, bytes]]]) -> ControlObserver:
        """Return an observer that has seen these entries and no others."""
        other = ControlObserver(self.rng)
        for seen_ms, entry in entries:
            other.see(seen_ms, entry)
        return other

    def see(self, now_ms: int, entry: tuple[int, int, bool, bytes]) -> None:
        """Check one entry."""
        del now_ms
        applied = self.machine.apply(*entry)
        if self.twin is not None:
            self.twin.apply(*entry)
            promise(self.twin.trail == self.machine.trail, "a control machine that was restored does otherwise")
        self.books.pass_time(self.machine.clock_ms)
        frame = decode_frame(entry[3])
        if isinstance(frame, Frame) and applied.verdict is Verdict.APPLIED:
            key = (frame.writer_id, frame.sequence)
            promise(key not in self.applied_frames, f"control: frame {frame.sequence} of a writer was applied twice")
            self.applied_frames.add(key)
            self._see_commands(frame, applied)
        clock_ms = self.machine.clock_ms
        self.until_ms = {server: until_ms for server, until_ms in self.until_ms.items() if until_ms > clock_ms}
        self._compare()
        self.trails[applied.position] = self.machine.trail
        if self.rng.random() < LOOK_CLOSELY:
            self._save_and_restore()

    def _see_commands(self, frame: Frame, applied: ControlApplied) -> None:
        for command, outcome in zip(frame.commands, applied.outcomes, strict=True):
            code = command[0]
            self.books.see(self.machine.clock_ms, applied.position, command)
            if code == c.SERVER:
                self.until_ms[str(command[1])] = self.machine.clock_ms + 1_000 * int(str(command[4]))
            elif code == c.SERVER_GONE:
                self.until_ms.pop(str(command[1]), None)
            elif code == c.QUEUE:
                self.queues.setdefault(str(command[1]), int(str(command[2])))
            elif code == c.COUNTS:
                self.told[str(command[1]), int(str(command[2]))] = list(command[7])  # type: ignore[call-overload]
            elif code == c.QUEUE_GONE:
                self.queues.pop(str(command[1]), None)
                self.told = {key: told for key, told in self.told.items() if key[0] != command[1]}
            elif code == c.CHECKPOINTED:
                check_marker(self.markers, applied.position, command, outcome)

    def _compare(self) -> None:
        machine = self.machine
        self.books.compare(machine)
        known = [server.key for server in machine.servers(machine.clock_ms)]
        promise(known == sorted(self.until_ms), f"servers {known} are known, the books say {sorted(self.until_ms)}")
        promise(machine.queues() == self.queues, "the queues that were announced are not those that are known")
        counts = {(one.queue, one.partition): one.numbers for one in machine.counts()}
        promise(counts == self.told, "what was told last of a partition is not what is known")

    def _save_and_restore(self) -> None:
        """Make another twin; that of before must have come to the same state."""
        sections = list(control_sections(self.machine))
        self.digests[self.machine.position] = self.machine.digest()
        if self.twin is not None:
            promise(list(control_sections(self.twin)) == sections, "equal control states have different snapshots")
        self.twin = restore_control(sections) if self.rng.random() < 0.6 else None
        if self.twin is not None:
            promise(self.twin.digest() == self.digests[self.machine.position], "a control snapshot holds another state")
