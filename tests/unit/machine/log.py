"""How does a test speak to a machine as a journal would?

Contract: `Log` keeps every entry it made, so that a test can replay them; its clock moves only when told to.
"""

from __future__ import annotations

from collections.abc import Sequence

from asynq_compat.machine.applied import Applied, Outcome, Verdict
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire import command as c
from asynq_compat.wire.bare import Headers
from asynq_compat.wire.frame import encode_frame
from asynq_compat.wire.message import TaskMessage, decode_message, encode_message

Entry = tuple[int, int, bool, bytes, Headers]
START_MS = 1_700_000_000_000


def message(task_id: str) -> bytes:
    """An encoded message of one task."""
    return encode_message(TaskMessage(type="t", payload=b"p", id=task_id, queue="q", retry=3))


class Log:
    """A journal of one machine."""

    def __init__(self) -> None:
        self.machine = Machine("q")
        self.entries: list[Entry] = []
        self.now_ms = START_MS
        self.position = -1
        self._sequences: dict[bytes, int] = {}

    def append(self, data: bytes, headers: Headers = (), *, is_log_time: bool = True) -> Applied:
        """Apply one entry."""
        self.position += 1
        entry = (self.position, self.now_ms, is_log_time, data, headers)
        self.entries.append(entry)
        return self.machine.apply(*entry)

    def frame(self, *commands: c.Command, writer: str = "client") -> Applied:
        """Apply the next frame of a writer."""
        writer_id = writer.encode().ljust(16, b".")
        self._sequences[writer_id] = self._sequences.get(writer_id, 0) + 1
        return self.append(encode_frame(writer_id, self._sequences[writer_id], commands))

    def say(self, *commands: c.Command, writer: str = "client") -> Outcome:
        """Apply a frame; return the outcome of its last command."""
        applied = self.frame(*commands, writer=writer)
        assert applied.verdict is Verdict.APPLIED, applied
        return applied.outcomes[-1]

    def enqueue(self, *ids: str) -> Applied:
        """Enqueue pending tasks in one frame."""
        return self.frame(c.enqueue(ids, [message(i) for i in ids]))

    def open(self, server: str = "server", credit: int = 0, slots: int = 10) -> int:
        """Let a server join; return its session."""
        self.frame(c.open_session(server, slots, credit), writer=server)
        return self.position

    def session(self, name: int, *commands: c.Command, credit: int = 0, mark: tuple[int, int] = (0, 0)) -> Applied:
        """Apply a frame of a session."""
        view = self.machine.session(name)
        writer = view.server_id if view is not None else "server"
        return self.frame(c.session(name, *mark, credit), *commands, writer=writer)

    def pass_s(self, seconds: float, *, step_s: float = 8.0) -> Applied:
        """Let time pass with a tick at least every `step_s`."""
        left_ms = round(seconds * 1000)
        while True:
            step_ms = min(left_ms, round(step_s * 1000))
            self.now_ms += step_ms
            left_ms -= step_ms
            applied = self.frame(c.tick(), writer="ticker")
            if not left_ms:
                return applied

    def ids(self, state: int) -> list[str]:
        """Ids of the tasks in one state, in their order."""
        return [view.task_id for view in self.machine.list_tasks(TaskState(state))]

    def replayed(self, entries: Sequence[Entry] | None = None) -> Machine:
        """Another replica that has read `entries` (all)."""
        machine = Machine("q")
        for entry in self.entries if entries is None else entries:
            machine.apply(*entry)
        return machine

    def stored(self, task_id: str) -> TaskMessage:
        """The decoded message of a task."""
        view = self.machine.task(task_id)
        assert view is not None, task_id
        return decode_message(view.message)
