"""How does an evening's work go, from the first task to the last?

`python -m examples.demo` starts one producer and two workers on the broker that `ASYNQ_COMPAT_BROKER` names (a SQLite file when it is
unset), shows how far they are, and accounts for every task at the end. Ctrl-C stops it; run again, it goes on. With `--go PATH` a Go
Asynq producer and worker join in on Redis; with `--bare PATH` a Go program adds tasks as bare Kafka records.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import asynq_compat as asynq
from examples.demo import summary
from examples.demo.plan import QUEUES, Ledger

WORKERS = ("anna", "ben")
GO_MAILS = 60
DEADLINE_S = 300
MADE = ("tasks.db*", "plan*.jsonl", "worker-*.jsonl", "refused.jsonl", "documents/*.gz", "log", "ended")
console = Console()


class Evening:
    """The processes of one run, in groups of their own so that Ctrl-C reaches this one first."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._workers: list[subprocess.Popen[bytes]] = []
        self._producers: list[subprocess.Popen[bytes]] = []
        self._log = (state / "log").open("ab")

    def work(self, *command: str | Path) -> None:
        """Start a worker."""
        self._workers.append(self._start(command))

    def produce(self, *command: str | Path) -> None:
        """Start a producer."""
        self._producers.append(self._start(command))

    def _start(self, command: tuple[str | Path, ...]) -> subprocess.Popen[bytes]:
        parts = [str(part) for part in command]
        return subprocess.Popen(parts, stdout=self._log, stderr=self._log, start_new_session=True)

    def is_planned(self) -> bool:
        """Return True when every producer has ended well.

        Raises:
            RuntimeError: A producer failed, or a worker ended by itself; its log tells why.
        """
        for process in (*self._producers, *self._workers):
            if process.poll():
                raise RuntimeError(f"process {process.pid} ended with {process.returncode}; see {self._state}/log")
        return all(process.poll() == 0 for process in self._producers)

    def stop(self) -> None:
        """End what runs, workers gracefully."""
        for process in (*self._producers, *self._workers):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in (*self._producers, *self._workers):
            process.wait(60)
        self._log.close()


def counts(inspector: asynq.Inspector) -> dict[str, int]:
    """Return how many tasks are in each state, over the evening's queues."""
    total = dict.fromkeys(("pending", "active", "scheduled", "retry", "completed", "archived"), 0)
    for queue in QUEUES:
        with contextlib.suppress(asynq.QueueNotFoundError):
            info = inspector.get_queue_info(queue)
            for state in total:
                total[state] += getattr(info, state)
    return total


def follow(evening: Evening, state: Path, inspector: asynq.Inspector) -> None:
    """Show how far it is until every task has reached its end."""
    pause = threading.Event()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        bar = progress.add_task("starting", total=None)
        for _ in range(DEADLINE_S * 5):
            is_planned = evening.is_planned()
            planned = len(summary.planned(state))
            now = counts(inspector)
            ended = now["completed"] + now["archived"]
            waiting = ", ".join(f"{now[word]} {word}" for word in ("pending", "active", "scheduled", "retry"))
            progress.update(bar, total=max(planned, ended), completed=ended, description=waiting)
            if is_planned and planned and not summary.missing(state, inspector):
                return
            pause.wait(0.2)
    raise RuntimeError(f"not done within {DEADLINE_S} s; see {state}/log")


def begin(state: Path) -> None:
    """Prepare the folder: go on with an interrupted evening, or begin a new one where it has ended or is not whole."""
    state.mkdir(parents=True, exist_ok=True)
    run = state / "run"
    if run.exists() and run.read_text() and not (state / "ended").exists() and _has_its_tasks(state):
        console.print(f"going on with the evening in {state}")
        return
    # Without `run` a folder begins anew, so that an interruption on the way is no harm. What is not the evening's stays.
    run.unlink(missing_ok=True)
    for pattern in MADE:
        for path in state.glob(pattern):
            path.unlink(missing_ok=True)
    run.write_text(uuid.uuid4().hex[:6])


def _has_its_tasks(state: Path) -> bool:
    """Return False where the broker knows nothing of what the notes tell: its file is gone, or it was wiped."""
    if not any(state.glob("*.jsonl")):
        return True
    with _inspector(state) as inspector:
        return not set(inspector.queues()).isdisjoint(QUEUES)


def _inspector(state: Path) -> asynq.Inspector:
    return asynq.Inspector(asynq.EmbeddedOpt(state / "tasks.db"))


def start(evening: Evening, state: Path, go: Path | None, bare: Path | None) -> None:
    """Start the workers and producers."""
    broker = os.environ.get("ASYNQ_COMPAT_BROKER", "")
    address, _, rest = broker.partition("://")[2].partition("/")
    namespace = rest.partition("?")[0] or "asynq"
    python = (sys.executable, "-m")
    for name in WORKERS:
        evening.work(*python, "examples.demo.work", state, name)
    evening.produce(*python, "examples.demo.produce", state)
    if go:
        evening.work(go, "work", "-addr", address, "-state", state, "-name", "gopher")
        evening.produce(go, "produce", "-addr", address, "-state", state, "-n", str(GO_MAILS))
    if bare:
        where = ("-brokers", address, "-namespace", namespace)
        evening.produce(bare, "bare", *where, "-state", state, "-n", str(GO_MAILS))


def main() -> int:
    """Run the evening; return 0 when every task is accounted for."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".demo"), help="folder for what is made and noted (.demo)")
    parser.add_argument("--go", type=Path, help="the built Go program of examples/demo/evening, to join in on Redis")
    parser.add_argument("--bare", type=Path, help="the same program, to add bare records through the Kafka API")
    arguments = parser.parse_args()
    state: Path = arguments.state
    console.print(f"broker: {os.environ.get('ASYNQ_COMPAT_BROKER') or f'sqlite file {state}/tasks.db'}")
    try:
        return run(state, arguments.go, arguments.bare)
    except (asynq.AsynqError, RuntimeError) as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130


def run(state: Path, go: Path | None, bare: Path | None) -> int:
    """Run the evening of a folder; return the exit code.

    Raises:
        RuntimeError: A process failed, or it took too long.
        AsynqError: The broker does not answer.
    """
    begin(state)
    evening = Evening(state)
    with _inspector(state) as inspector:
        try:
            start(evening, state, go, bare)
            follow(evening, state, inspector)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # The workers have heard it too and end within seconds.
            console.print("\nstopping the workers; run it again and it goes on where it is now")
            return 130
        finally:
            evening.stop()
        is_whole = summary.show(state, inspector, console)
    Ledger(state / "ended").add(whole=int(is_whole))
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
