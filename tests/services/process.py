"""How is a service started, held, stopped, killed and paused?

Contract: a service is one process of ours, known by its pid, with a scratch folder below .svc/run that holds its log and data and
goes away with it. Ports are chosen once: a restart uses the same. What the interpreter's end finds running is killed.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.services.installing import SVC, ServiceMissingError
from tests.services.ports import is_listening
from tests.services.waiting import wait_until

_numbers = itertools.count(1)


class Process:
    """One process of a service, which listens on `port`. Subclasses say with which command."""

    name = "process"
    start_timeout_s = 90.0
    stop_timeout_s = 15.0

    def __init__(self, port: int) -> None:
        self.port = port
        self.addr = f"127.0.0.1:{port}"
        self.folder = SVC / "run" / f"{self.name}-{os.getpid()}-{next(_numbers)}"
        self.folder.mkdir(parents=True)
        self.log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str | Path]:
        """Return the command that serves in the foreground."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The process id of what runs now."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until its port answers."""
        assert self._process is None, f"{self.name} runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in self.command()],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        atexit.register(self.stop)
        wait_until(self._is_up_or_dead, f"{self.name} at {self.addr} ({self.log})", self.start_timeout_s)
        if (status := self._process.poll()) is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            self._process = None
            raise ServiceMissingError(f"{self.name} ended with {status} at its start:\n{tail}")

    def _is_up_or_dead(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None or self.is_up()

    def is_up(self) -> bool:
        """Return whether it serves."""
        return is_listening(self.port)

    def has_ended(self) -> bool:
        """Return whether it has ended by itself, or was ended."""
        return self._process is None or self._process.poll() is not None

    def end(self) -> None:
        """End it politely (SIGTERM, after 15 s SIGKILL) and keep its folder."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Kill it (SIGKILL) and keep its folder, as a crash would."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None

    def restart(self) -> None:
        """End it politely and start it again on the same port and data."""
        self.end()
        self.start()

    def pause(self) -> None:
        """Stop its clockwork (SIGSTOP) until `resume`; every thread of it stands on return."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        wait_until(
            lambda: all(_stands(task) for task in tasks.iterdir()), f"{self.name} to stand still", self.start_timeout_s
        )

    def resume(self) -> None:
        """Let it go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Kill it and remove its folder. Legal twice."""
        atexit.unregister(self.stop)
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _stands(task: Path) -> bool:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in {"T", "t"}
    except (FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
        return True
