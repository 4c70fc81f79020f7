"""Which attempts at a task do its events make up?

Contract: pure. An attempt begins when the task is given to a server and ends with what becomes of it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asynq_compat.brokers.journal.history.servers import ServerNames
from asynq_compat.brokers.journal.history.tracing import Seen
from asynq_compat.ports.history import Attempt, Change, TaskEvent
from asynq_compat.rules.instants import instant_of
from asynq_compat.rules.limits import NS_PER_S

# What tells nothing of how an attempt goes.
_ASIDE = (Change.REFUSED, Change.ORPHANED)


def event_of(seen: Seen, names: ServerNames) -> TaskEvent:
    """Return what was seen as an operator is told."""
    return TaskEvent(
        position=seen.position,
        at=instant_of(seen.at_ms * 1_000_000),
        change=seen.change,
        writer=seen.writer_id.hex(),
        server=names.of_session(seen.session),
        state=seen.state,
        error=seen.error,
        due_at=None if seen.due_at is None else instant_of(seen.due_at * NS_PER_S),
    )


def attempts_of(events: Sequence[TaskEvent]) -> list[Attempt]:
    """Return the attempts, oldest first."""
    attempts: list[Attempt] = []
    for event in events:
        if event.change is Change.GIVEN:
            attempts.append(
                Attempt(
                    number=len(attempts) + 1,
                    server=event.server,
                    given_at=event.at,
                    started_at=None,
                    ended_at=None,
                    duration=None,
                    outcome=None,
                    error="",
                )
            )
        elif attempts and attempts[-1].outcome is None and event.change not in _ASIDE:
            attempts[-1] = _continued(attempts[-1], event)
    return attempts


def _continued(attempt: Attempt, event: TaskEvent) -> Attempt:
    if event.change is Change.STARTED:
        return replace(attempt, started_at=event.at)
    return replace(
        attempt, ended_at=event.at, duration=event.at - attempt.given_at, outcome=event.change, error=event.error
    )
