"""Does a running program obey the signals that Go's obeys?"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.server.ground import PATIENCE_S

PROGRAM = """
import signal, sys, uuid
import asynq_compat as asynq

server = asynq.Server(f"memory://{uuid.uuid4()}", asynq.Config(concurrency=1, log_level="info"))
before = signal.getsignal(signal.SIGINT)
server.run(lambda ctx, task: None)
assert signal.getsignal(signal.SIGINT) is before
print("run returned", file=sys.stderr, flush=True)
"""

MANAGER = """
import sys, threading, uuid
import asynq_compat as asynq

def get_configs():
    print("asked", file=sys.stderr, flush=True)
    threading.Event().wait()

opts = asynq.PeriodicTaskManagerOpts(periodic_task_config_provider=get_configs, redis_conn_opt=f"memory://{uuid.uuid4()}")
asynq.PeriodicTaskManager(opts).run()
"""


class Program:
    """A server in a process of its own; its log is read line by line."""

    def __init__(self, source: str = PROGRAM) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", source], stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []

    def read_until(self, text: str) -> str:
        """Return the first line from here on that ends with `text`."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.rstrip())
            if line.rstrip().endswith(text):
                return line.rstrip()
        raise AssertionError(f"{text!r} was not logged; the log is {self.lines}")

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for the end."""
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it whatever happens."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
        assert self._process.stderr is not None
        self._process.stderr.close()


@pytest.fixture
def program() -> Iterator[Program]:
    running = Program()
    yield running
    running.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_shut_down(program: Program, number: int) -> None:
    program.read_until("INFO: Send signal TERM or INT to terminate the process")

    program.send(number)

    program.read_until("INFO: Starting graceful shutdown")
    program.read_until("INFO: Exiting")
    program.read_until("run returned")
    assert program.exit_code() == 0


@pytest.mark.skipif(not hasattr(signal, "SIGTSTP"), reason="this system has no SIGTSTP")
def test_tstp_stops_taking_and_term_then_shuts_down(program: Program) -> None:
    program.read_until("INFO: Send signal TERM or INT to terminate the process")

    program.send(signal.SIGTSTP)
    program.read_until("INFO: Processor stopped")
    program.send(signal.SIGTSTP)
    program.send(signal.SIGTERM)

    program.read_until("run returned")
    assert program.exit_code() == 0


def test_lines_have_gos_format_where_nobody_configured_logging(program: Program) -> None:
    line = program.read_until("INFO: Starting processing")

    pattern = r"asynq: pid=\d+ \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} INFO: Starting processing"
    assert re.fullmatch(pattern, line)


def test_term_ends_a_manager_whose_provider_does_not_return_at_the_start() -> None:
    """As in Go: nothing is under way yet that an end could wait for."""
    running = Program(MANAGER)
    try:
        running.read_until("asked")
        running.send(signal.SIGTERM)
        assert running.exit_code() == -signal.SIGTERM
    finally:
        running.close()
