"""How long does a new process take to enqueue a unique task to a queue with a long backlog?

`python -m tests.bench.cold [--count 1000000]` fills a queue on a SQLite file and on Kafka, lets a server live beside it whose one handler
blocks, and times new client processes: with the server, which replies, and after its end, when the client reads the journal itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import asynq_compat as asynq
from tests.services.kafka import ALL_COMPILERS, KafkaCluster

BATCH = 1_000
# With the id and what Asynq adds, a message of about 200 bytes.
PAYLOAD = b"x" * 130
ROUNDS = 5


def fill(url: str, count: int) -> None:
    """Enqueue the backlog."""
    with asynq.Client(url) as client:
        for _ in range(count // BATCH):
            client.enqueue_many([asynq.Task("bench:task", PAYLOAD) for _ in range(BATCH)])


def serve(url: str) -> None:
    """Live beside the queue: start one task and never end it; a line says when. Ends with its input."""
    is_over = threading.Event()

    def block(_ctx: asynq.Context, _task: asynq.Task) -> None:
        print("serving", flush=True)
        is_over.wait()

    server = asynq.Server(url, asynq.Config(concurrency=1, shutdown_timeout=0.1))
    server.start(block)
    sys.stdin.read()
    is_over.set()
    server.shutdown()


def enqueue(url: str) -> None:
    """Enqueue one unique task; print its seconds, what came of it, and whether the journal had to be read."""
    began_s = time.monotonic()
    with asynq.Client(url) as client:
        try:
            what = str(client.enqueue(asynq.Task("cold:unique", b"x"), unique=3600).state)
        except asynq.DuplicateTaskError:
            what = "duplicate"
        took_s = time.monotonic() - began_s
        has_folded = any(thread.name.startswith("asynq-replica-queue") for thread in threading.enumerate())
    print(json.dumps({"took_s": took_s, "cpu_s": time.process_time(), "what": what, "has_folded": has_folded}))


def run(part: str, url: str) -> list[str]:
    """Return the command of one part of this program."""
    return [sys.executable, "-m", "tests.bench.cold", part, "--url", url]


@contextlib.contextmanager
def serving(url: str) -> Iterator[None]:
    """Let a server live beside the block; it has begun to work."""
    with subprocess.Popen(run("serve", url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        assert server.stdout.readline() == "serving\n"
        yield
        server.stdin.close()


def measure(name: str, url: str, count: int) -> None:
    """Print the figures of one journal."""
    began_s = time.monotonic()
    fill(url, count)
    print(f"{name}: {count} tasks enqueued in {time.monotonic() - began_s:.1f} s", flush=True)
    with serving(url):
        show(f"{name}, a server replies", url, ROUNDS)
    show(f"{name}, no server: the client reads the journal", url, 1)


def show(what: str, url: str, rounds: int) -> None:
    """Time new processes and print a line."""
    calls, wholes, cpus, folded, told = [], [], [], 0, []
    for _ in range(rounds):
        began_s = time.monotonic()
        done = subprocess.run(run("enqueue", url), stdout=subprocess.PIPE, text=True, check=True)
        wholes.append(time.monotonic() - began_s)
        answer = json.loads(done.stdout)
        calls.append(answer["took_s"])
        cpus.append(answer["cpu_s"])
        folded += answer["has_folded"]
        told.append(answer["what"])
    print(
        f"{what}: Client() and enqueue {statistics.median(calls):.3f} s (worst {max(calls):.3f}), "
        f"the whole process {statistics.median(wholes):.3f} s, of it CPU {statistics.median(cpus):.3f} s; journal read by {folded} of {rounds}; {', '.join(told)}",
        flush=True,
    )


def main() -> None:
    """Run one part, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cold", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["serve", "enqueue"])
    parser.add_argument("--url")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--journals", nargs="*", default=["sqlite", "kafka"])
    arguments = parser.parse_args()
    if arguments.part:
        (serve if arguments.part == "serve" else enqueue)(arguments.url)
        return
    if "sqlite" in arguments.journals:
        with tempfile.TemporaryDirectory() as scratch:
            measure("sqlite", f"sqlite:///{scratch}/queue.db", arguments.count)
    if "kafka" in arguments.journals:
        cluster = KafkaCluster(jvm=ALL_COMPILERS)
        try:
            measure("kafka", f"redpanda://{cluster.bootstrap}/cold", arguments.count)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
