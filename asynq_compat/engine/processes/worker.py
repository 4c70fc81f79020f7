"""What does a server know of one of its worker processes, and how does it speak to it?

Contract: `hand`, `release`, `take_back` and `say` are called with the crew's lock held: they change what is known and put messages into the
outbox. `flush` sends them in that order, without that lock; it never waits for the worker. The rest is the crew's thread alone.
Not obvious: the process is made by fork and exec, and knows nothing of ours but three descriptors: its socket, a pipe whose end tells it
that its server has ended, and its marks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from asynq_compat.engine.processes.between import messages
from asynq_compat.engine.processes.between.marks import opened, shared_file
from asynq_compat.errors import WorkerProcessError
from asynq_compat.ports.consuming import Lease

_CODE = (
    "import sys; fds = sys.argv[2:5]; sys.path[:] = sys.argv[5:]; "
    "from asynq_compat.engine.processes.inside.child import main; main(*map(int, fds))"
)
_READ_BYTES = 1 << 18
# A process that has closed its socket is ending: so long it is given before it is killed.
_REAP_S = 1.0


class Held(NamedTuple):
    """A task that a worker has."""

    lease: Lease
    started_ns: int
    started_s: float  # By the clock that never steps.


class Worker:
    """One worker process.

    Attributes:
        held: What it has, by place.
        is_ready: It has imported the program and takes tasks.
        unfit: Why it cannot run any; None while nothing is known of that.
        heard_s: When it last said anything; 0.0: it has not been asked since.
        overdue: Places whose tasks are the reason why it was killed; None while it was not.
    """

    def __init__(
        self, slots: int, settings: dict[str, Any], inherited_signals: Sequence[int], wake: Callable[[], object]
    ) -> None:
        self.slots = slots
        self.held: dict[int, Held] = {}
        self.is_ready = self.is_ending = False
        self.unfit: str | None = None
        self.asked_s: float | None = None
        self.overdue: set[int] | None = None
        self.made_s = time.monotonic()
        self.ready_s = 0.0
        self.ended_count = 0
        self.inbox = messages.Inbox()
        self._free = list(range(slots - 1, -1, -1))
        self._lost: set[int] = set()
        self._wake = wake
        self._outbox: deque[messages.Message] = deque()
        self._sending = threading.Lock()  # Guards the next two.
        self._unsent: bytes | memoryview = b""
        self.wants_to_send = False
        self._begin(settings, inherited_signals)

    def _begin(self, settings: dict[str, Any], blocked: Sequence[int]) -> None:
        ours, theirs = socket.socketpair()
        life_read, self._life = os.pipe()
        marks = shared_file(self.slots)
        fds = (theirs.fileno(), life_read, marks)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            self.process = subprocess.Popen(  # noqa: S603 - ourselves
                [
                    sys.executable,
                    *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does
                    "-c",
                    _CODE,
                    f"asynq-worker-of-{os.getpid()}",
                    *map(str, fds),
                    *(os.path.abspath(one) for one in sys.path),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=fds,
            )
        except BaseException:
            ours.close()
            os.close(self._life)
            os.close(marks)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
            os.close(life_read)
        self._marks = opened(marks, self.slots)
        ours.setblocking(False)
        self.connection = ours
        self.say(messages.BEGIN, {**settings, "slots": self.slots})

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def room(self) -> int:
        """How many more tasks it takes."""
        return len(self._free) if self.is_ready and not self.is_ending and self.overdue is None else 0

    # --- with the crew's lock -----------------------------------------------------------------------------------------------------

    def say(self, *message: object) -> None:
        """Put a message into the outbox."""
        self._outbox.append(message)

    def hand(self, leases: Sequence[Lease], now_ns: int) -> None:
        """Give it tasks; there must be room."""
        places = [self._free.pop() for _ in leases]
        marks, held, now_s = self._marks, self.held, time.monotonic()
        for place, lease in zip(places, leases, strict=True):
            marks[place] = 0
            held[place] = Held(lease, now_ns, now_s)
            lease.has_started = True  # It may have, from now on: it cannot be given back uncounted.
        self.say(
            messages.TASKS,
            places,
            [lease.queue for lease in leases],
            [lease.task_id for lease in leases],
            [lease.message for lease in leases],
        )

    def release(self, places: Sequence[int]) -> list[Lease]:
        """Its tasks of these places have ended; return their leases."""
        held = self.held
        leases = [held.pop(place).lease for place in places]
        self._free += places
        self.ended_count += len(places)
        if self._lost:
            self._lost.difference_update(places)
        return leases

    def lose(self, place: int) -> None:
        """Tell it that a lease is over, once."""
        if place in self.held and place not in self._lost:
            self._lost.add(place)
            self.say(messages.LOST, place)

    def has_begun(self, place: int) -> bool:
        """Return whether it had begun the task of this place. Also when it has died."""
        return self._marks[place] != 0

    def take_back(self) -> list[tuple[int, Held]]:
        """It is gone; return what it had, by place."""
        held, self.held = self.held, {}
        return sorted(held.items(), key=lambda one: one[1].started_ns)

    # --- without it ---------------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is in the outbox, as far as the socket takes it; the crew's thread sends the rest."""
        with self._sending:
            while self._unsent or self._outbox:
                data = self._unsent or messages.packed(self._outbox.popleft())
                try:
                    sent = self.connection.send(data)
                except BlockingIOError:
                    sent = 0
                except OSError:  # It is gone; the crew's thread sees it.
                    self._unsent = b""
                    self._outbox.clear()
                    return
                self._unsent = memoryview(data)[sent:]
                if self._unsent:
                    break
            is_full, self.wants_to_send = self.wants_to_send, bool(self._unsent)
        if self.wants_to_send and not is_full:
            self._wake()

    def receive(self) -> bytes | None:
        """Return what has come from it; b"" at its end, None for nothing now."""
        try:
            data = self.connection.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""
        self.asked_s = None
        return data

    def look(self) -> None:
        """See to it that the end of the process is heard, also where a process that a handler has forked still holds its socket."""
        if self.process.poll() is not None:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(OSError):
            self.process.kill()

    def reap(self, patience_s: float = _REAP_S) -> str:
        """Wait for its end, which is near, and return how it ended."""
        try:
            code = self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self.process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def failure(self, how: str) -> WorkerProcessError:
        """Return its end as an error."""
        if self.unfit is not None:
            text = f"worker process {self.pid} cannot import the program: {self.unfit}"
        elif self.is_ready:
            text = f"worker process {self.pid} died ({how})"
        else:
            text = f"worker process {self.pid} died ({how}) while it imported the program"
        return WorkerProcessError(text, pid=self.pid)

    def close(self) -> None:
        """Let go of everything; it has ended."""
        with self._sending:
            self.connection.close()
        with contextlib.suppress(OSError):
            os.close(self._life)
        self._life = -1
        self._marks.close()
