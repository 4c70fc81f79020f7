"""Does a journal that was recorded once still mean the same?

Contract: tests/vectors/journal_v1.json holds the entries of one simulated history, bare_v1.json bare records of every kind, each with the
state that follows from them, in words that do not depend on how a state is summed up.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asynq_compat.machine.machine import Machine
from asynq_compat.rules.task_state import TaskState

VECTORS = Path(__file__).parents[2] / "vectors"


def state_of(machine: Machine) -> dict[str, object]:
    """What a recorded journal promises of the state."""
    counts = machine.counts()
    return {
        "position": machine.position,
        "clock_ms": machine.clock_ms,
        "lease_clock_ms": machine.lease_clock_ms,
        "is_paused": counts.is_paused,
        "processed_total": counts.processed_total,
        "failed_total": counts.failed_total,
        "sessions": [[s.session, s.server_id, s.credit, s.assigned_count, s.last_frame_ms] for s in machine.sessions()],
        "tasks": {
            str(state): [
                [
                    v.task_id,
                    v.message.hex(),
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


@pytest.mark.parametrize("name", ["journal_v1.json", "bare_v1.json"])
def test_a_recorded_journal_replays_to_the_recorded_state(name: str) -> None:
    recorded = json.loads((VECTORS / name).read_text())
    machine = Machine(recorded["queue"])

    verdicts: dict[str, int] = {}
    for position, timestamp_ms, is_log_time, data, *rest in recorded["entries"]:
        headers = tuple((key, bytes.fromhex(value)) for key, value in (rest[0] if rest else ()))
        verdict = machine.apply(position, timestamp_ms, is_log_time, bytes.fromhex(data), headers).verdict
        verdicts[verdict.value] = verdicts.get(verdict.value, 0) + 1

    assert verdicts == recorded["verdicts"]
    assert state_of(machine) == recorded["state"]
