"""What does a queue's state look like to a human?

Contract: pure; a few lines for logs and failing tests, no payloads.
"""

from __future__ import annotations

from asynq_compat.machine.state import State
from asynq_compat.machine.views import active_assignments, counts


def describe(state: State, queue: str) -> str:
    """Return the state in words."""
    now = counts(state)
    clocks = state.clocks
    lines = [
        f"queue {queue!r} at position {state.position}, clock {clocks.clock_ms} ms, lease clock {clocks.lease_ms} ms"
        + (", paused" if state.is_paused else ""),
        (
            f"  pending {now.pending}, active {now.active}, scheduled {now.scheduled}, retry {now.retry}, "
            f"archived {now.archived}, completed {now.completed}; processed {now.processed_total}, failed {now.failed_total}; "
            f"locks {len(state.locks.held)}, writers {len(state.writers.known)}"
        ),
    ]
    if now.groups or state.groups.sets:
        lines.append(
            f"  aggregating {now.aggregating} in {now.groups} groups, "
            f"{sum(len(one.tasks) for one in state.groups.sets.values())} more in {len(state.groups.sets)} sets"
        )
    skipped = state.skipped
    if skipped.unreadable or skipped.id_taken or skipped.duplicate:
        lines.append(
            f"  entries that became no task: {skipped.unreadable} unreadable, {skipped.id_taken} with a taken id, "
            f"{skipped.duplicate} with a held lock"
        )
    lines.extend(
        f"  session {s.name} of {s.server_id!r}: credit {s.credit}, mark {s.mark}, last frame at {s.last_frame_ms} ms"
        for s in state.sessions.values()
    )
    lines.extend(
        f"  assignment {a.position} to session {a.session}: {a.live_count} of {len(a.ids)} open"
        + ("" if a.orphaned_ms is None else f", orphaned at {a.orphaned_ms} ms")
        for a in active_assignments(state)
    )
    return "\n".join(lines)
