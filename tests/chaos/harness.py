"""How do producers and workers fare when they, and the broker, end at any moment?

Contract: `run` begins with one worker put to sleep beyond its lease, then strikes at random until `seconds` are over, waits until the
queue is drained, ends everything it started and returns the account. A seed gives the same blows in the same order; what they hit depends
on the machine.
Not obvious: workers are spared in the last third. What a killed one held comes back a lease later, and a short run shall end a lease later.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import asynq_compat as asynq
from tests.chaos.account import QUEUE, Account, settle
from tests.interop.suspending import Suspender
from tests.services.installing import REPOSITORY
from tests.services.kafka import KafkaCluster
from tests.services.waiting import wait_until

PRODUCERS, WORKERS = 2, 3
SLEEP_S = 33.0  # a lease and a little
_DRAINED_WITHIN_S = 150.0
_BETWEEN_BLOWS_S = (0.3, 1.5)
_AWAY_MAX_S = 3.0


class Chaos:
    """The processes of one run, by role: "producer-1", "worker-3"."""

    def __init__(self, url: str, folder: Path, seed: int, broker: KafkaCluster | None) -> None:
        self._url, self._folder, self._broker = url, folder, broker
        self._chance = random.Random(seed)
        self._pause = threading.Event()
        self._suspender = Suspender(url)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lives: Counter[str] = Counter()
        self._sleeper = ""
        self._wakes_at_s = 0.0
        self.blows: Counter[str] = Counter()
        self.problems: list[str] = []

    def start_all(self) -> None:
        """Start everybody."""
        for role in self._roles("producer", PRODUCERS) + self._roles("worker", WORKERS):
            self._start(role)
        noted = self._folder.glob
        wait_until(
            lambda: all(any(path.stat().st_size for path in noted(f"{role}.*.jsonl")) for role in self._running),
            "all at work",
            60,
        )

    def _roles(self, what: str, count: int) -> list[str]:
        return [f"{what}-{n}" for n in range(1, count + 1)]

    def _start(self, role: str) -> None:
        self._lives[role] += 1
        program = "tests.chaos.produce" if role.startswith("producer") else "tests.chaos.work"
        ledger = self._folder / f"{role}.{self._lives[role]}.jsonl"
        environment = {key: value for key, value in os.environ.items() if key != "ASYNQ_COMPAT_BROKER"}
        with (self._folder / f"{role}.log").open("ab") as log:
            command = [sys.executable, "-m", program, self._url, str(ledger)]
            self._running[role] = subprocess.Popen(command, cwd=REPOSITORY, stderr=log, env=environment)

    def strike(self, seconds: float) -> None:
        """Deal blows until the time is over."""
        began_s = time.monotonic()
        blows = ["producer", "worker", *(["broker"] if self._broker else [])]
        bag: list[str] = []
        while (past_s := time.monotonic() - began_s) < seconds:
            is_late = past_s > seconds * 2 / 3
            if not self._sleeper and not is_late:
                self._put_to_sleep()
            self._pause.wait(self._chance.uniform(*_BETWEEN_BLOWS_S))
            self._look()
            if not bag:
                bag = self._chance.sample(blows, len(blows))
            if (blow := bag.pop()) == "broker":
                self._kill_broker()
            elif blow == "producer" or not is_late:
                self._kill(blow)

    def _kill(self, what: str) -> None:
        role = self._chance.choice(
            [one for one in sorted(self._running) if one.startswith(what) and one != self._sleeper]
        )
        self._running[role].kill()
        self._running[role].wait()
        self.blows[f"{what} killed"] += 1
        self._start(role)

    def _kill_broker(self) -> None:
        assert self._broker is not None
        self._broker.kill()
        self._pause.wait(self._chance.uniform(0, _AWAY_MAX_S))
        self._broker.start()
        self.blows["broker killed"] += 1

    def _put_to_sleep(self) -> None:
        self._sleeper = self._chance.choice(self._roles("worker", WORKERS))
        self._suspender.suspend(self._running[self._sleeper])
        self._wakes_at_s = time.monotonic() + SLEEP_S
        self.blows["worker slept beyond its lease"] += 1

    def _look(self) -> None:
        """Wake who has slept enough; note who ended by itself, and start it again."""
        if self._sleeper and time.monotonic() > self._wakes_at_s:
            self._running[self._sleeper].send_signal(signal.SIGCONT)
            self._sleeper = ""
        for role, process in list(self._running.items()):
            if (status := process.poll()) is not None:
                self.problems.append(f"{role} ended by itself with {status}; see {self._folder}/{role}.log")
                self._start(role)

    def drain(self) -> None:
        """End the producers, wait until nothing is left to do, and end the workers as an operator would."""
        for role in self._roles("producer", PRODUCERS):
            process = self._running.pop(role)
            process.kill()
            process.wait()
        with asynq.Inspector(self._url) as inspector:
            wait_until(lambda: self._is_drained(inspector), "the queue is drained and all are awake", _DRAINED_WITHIN_S)
        for role, process in self._running.items():
            process.terminate()
            if status := process.wait(60):
                self.problems.append(f"{role} ended with {status}; see {self._folder}/{role}.log")

    def _is_drained(self, inspector: asynq.Inspector) -> bool:
        self._pause.wait(0.2)
        self._look()
        info = inspector.get_queue_info(QUEUE)
        return not self._sleeper and info.size == info.completed + info.archived

    def close(self) -> None:
        """End what still runs."""
        self._suspender.close()
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def run(journal: str, folder: Path, *, seconds: float, seed: int) -> Account:
    """Run it on "sqlite" or "kafka"; `folder` takes ledgers, logs and the SQLite file."""
    broker = KafkaCluster() if journal == "kafka" else None
    url = f"redpanda://{broker.bootstrap}?namespace=chaos" if broker else f"sqlite:///{folder / 'tasks.db'}"
    chaos = Chaos(url, folder, seed, broker)
    try:
        chaos.start_all()
        chaos.strike(seconds)
        chaos.drain()
        account = settle(
            url, folder, sum(chaos.blows[word] for word in ("worker killed", "worker slept beyond its lease"))
        )
    finally:
        chaos.close()
        if broker:
            broker.stop()
    account.counts.update(chaos.blows)
    account.problems += chaos.problems
    return account
