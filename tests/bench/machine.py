"""What does the machine alone cost, in time and memory?

`python -m tests.bench.machine` prints CPU microseconds and bytes per task, for a million tasks of 200 bytes. No service is needed.
"""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path
from time import process_time

from asynq_compat.machine.machine import Machine
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import encode_frame

START_MS = 1_700_000_000_000
FRAME_TASKS = 1_000
PAGE_BYTES = 4_096


def resident_bytes() -> int:
    """Memory of this process, as the kernel counts it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def enqueue_frames(count: int) -> list[bytes]:
    """Frames of new tasks."""
    frames = []
    for sequence in range(1, count // FRAME_TASKS + 1):
        ids = [str(uuid.uuid4()) for _ in range(FRAME_TASKS)]
        frames.append(
            encode_frame(b"client..........", sequence, [c.enqueue(ids, [i.encode() + bytes(164) for i in ids])])
        )
    return frames


def drain(machine: Machine, position: int) -> float:
    """Let a session take and finish everything; return the CPU seconds of `apply`."""
    writer, sequence, spent_s = b"server..........", 1, 0.0
    session = position
    machine.apply(position, START_MS + position, True, encode_frame(writer, sequence, [c.open_session("s", 1, 0)]))
    done: list[c.Command] = []
    while True:
        position, sequence = position + 1, sequence + 1
        frame = encode_frame(writer, sequence, [c.session(session, position, 0, FRAME_TASKS), *done])
        began_s = process_time()
        applied = machine.apply(position, START_MS + position, True, frame)
        spent_s += process_time() - began_s
        if not applied.assignments:
            return spent_s
        done = [c.settle_done([(position, 0, len(applied.assignments[0].ids))])]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the machine alone.")
    parser.add_argument("--tasks", type=int, default=1_000_000)
    count = parser.parse_args().tasks // FRAME_TASKS * FRAME_TASKS
    frames = enqueue_frames(count)
    machine = Machine("q")
    before, began_s = resident_bytes(), process_time()
    for position, frame in enumerate(frames):
        machine.apply(position, START_MS + position, True, frame)
    enqueue_s = process_time() - began_s
    held = resident_bytes() - before
    finish_s = drain(machine, len(frames))
    print(f"enqueue {enqueue_s / count * 1e6:.2f} us/task, assign and settle {finish_s / count * 1e6:.2f} us/task")
    print(f"pending {held / count:.0f} bytes/task")


if __name__ == "__main__":
    main()
