"""Which journals were recorded, and what follows from each?

Contract: `journals/<machine version>-<name>.bin` holds the entries, one msgpack array each: `[position, timestamp_ms, is_log_time, data,
[[header name, value], ...]]`; the .json beside it what follows from them. ``python -m tests.vectors.recorded_journals`` records the
stories that are not there yet and touches no other: what a released version was recorded to do, it does for ever.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgpack

from asynq_compat.machine.applied import Marker, Verdict
from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.machine import Machine
from asynq_compat.rules.task_state import TaskState
from asynq_compat.wire.command import MACHINE_VERSION
from asynq_compat.wire.snapshot import FORMAT
from tests.unit.machine.log import Entry
from tests.vectors.stories import STORIES

FOLDER = Path(__file__).parent / "journals"
QUEUE = "q"


def read(path: Path) -> list[Entry]:
    """Return the entries of a recorded journal."""
    unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogatepass")
    unpacker.feed(path.read_bytes())
    return [(*entry, tuple((name, value) for name, value in headers)) for *entry, headers in unpacker]


def write(path: Path, entries: list[Entry]) -> None:
    packed = [
        msgpack.packb([*entry, list(map(list, headers))], unicode_errors="surrogatepass") for *entry, headers in entries
    ]
    path.write_bytes(b"".join(packed))


def follows(machine: Machine | ControlMachine, entries: list[Entry]) -> dict[str, object]:
    """Let a machine read a journal and say what follows."""
    verdicts: Counter[Verdict] = Counter()
    outcomes = []
    for entry in entries:
        applied = machine.apply(*entry)
        verdicts[applied.verdict] += 1
        outcomes.append(applied.outcomes)
    return {
        "entries": len(entries),
        "verdicts": {verdict.value: verdicts[verdict] for verdict in Verdict},
        "outcomes": outcomes,
        "trail": machine.trail.hex(),
        "digest": {"snapshot_format": FORMAT, "hex": machine.digest().hex()},
        "state": control_state_of(machine) if isinstance(machine, ControlMachine) else state_of(machine),
    }


def state_of(machine: Machine) -> dict[str, object]:
    """What a recorded journal promises of the state, in words that do not depend on how a state is saved or summed up."""
    counts = machine.counts()
    now_day = machine.clock_ms // 86_400_000
    return {
        "position": machine.position,
        "genesis": [machine.genesis[0].hex(), *machine.genesis[1:]] if machine.genesis is not None else None,
        "clock_ms": machine.clock_ms,
        "lease_clock_ms": machine.lease_clock_ms,
        "next_due_ms": machine.next_due_ms(),
        "is_paused": counts.is_paused,
        "processed_total": counts.processed_total,
        "failed_total": counts.failed_total,
        "unreadable": counts.unreadable,
        "history": [list(machine.history(now_day - ago)) for ago in range(3)],
        "markers": _markers(machine.marker, machine.marker_before),
        "sessions": [[s.session, s.server_id, s.credit, s.assigned_count, s.last_frame_ms] for s in machine.sessions()],
        "locks": sorted([key, *lock] for key, lock in machine.state.locks.held.items()),
        "tasks": {
            str(state): [
                [
                    v.task_id,
                    v.message.hex() if len(v.message) < 1_000 else len(v.message),
                    v.due_at,
                    v.pending_since_ms,
                    (v.result or b"").hex(),
                    v.session,
                    v.is_orphaned,
                ]
                for v in machine.list_tasks(state)
            ]
            for state in TaskState
        },
    }


def control_state_of(machine: ControlMachine) -> dict[str, object]:
    """The same of the control journal."""
    servers = machine.servers(machine.clock_ms)
    counts = [
        [o.queue, o.partition, o.position, o.clock_ms, o.is_paused, o.oldest_pending_since_ms, o.numbers, o.told_ms]
        for o in machine.counts()
    ]
    known = machine.state.scheduling
    scheduling: dict[str, object] = {
        "schedulers": [
            [t.id, [e.hex() for e in t.entries], t.expires_ms] for t in machine.schedulers(machine.clock_ms)
        ],
        "histories": [[entry, [e.hex() for e in machine.enqueue_events(entry)]] for entry in known.histories],
        "claims": [[*key, claim.holder, claim.until_ms, claim.is_made] for key, claim in known.claims.items()],
    }
    told: dict[str, object] = {"counts": counts} if counts else {}
    told |= scheduling if any(scheduling.values()) else {}
    tokens = [[scope, task_id, one.deadline_s, one.position] for scope, task_id, one in machine.state.tokens.rows()]
    told |= {"tokens": tokens} if tokens else {}
    return told | {
        "position": machine.position,
        "clock_ms": machine.clock_ms,
        "queues": machine.queues(),
        "markers": _markers(machine.marker, machine.marker_before),
        "servers": [
            [s.key, s.info.hex(), [[task_id, worker.hex()] for task_id, worker in s.workers], s.expires_ms]
            for s in servers
        ],
    }


def _markers(*markers: Marker | None) -> list[list[object]]:
    return [[m.position, m.digest.hex(), m.first_chunk, m.trail.hex()] for m in markers if m is not None]


def machine_of(name: str) -> Machine | ControlMachine:
    """Return an empty machine for the journal of this name."""
    return ControlMachine() if name.endswith("control") else Machine(QUEUE)


def main() -> None:
    """Record what is not there."""
    FOLDER.mkdir(exist_ok=True)
    for name, story in STORIES.items():
        path = FOLDER / f"{MACHINE_VERSION}-{name}.bin"
        if not path.exists():
            write(path, story())
            found = json.dumps(follows(machine_of(path.stem), read(path)), indent=1, ensure_ascii=False)
            path.with_suffix(".json").write_text(f"{found}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
