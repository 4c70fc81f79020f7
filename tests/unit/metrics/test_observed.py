"""What does a server's work come to, however many tasks and types there are?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from asynq_compat.metrics.exposing import registry_of, text_of
from asynq_compat.metrics.observed import OTHER, TYPES_MAX, ServerMetrics
from asynq_compat.ports.consuming import Lease, SettleKind, Settlement
from asynq_compat.wire.message import TaskMessage, encode_message


class Term:
    """A lease's."""

    def is_valid(self) -> bool:
        return True


def lease(task_type: str, queue: str = "q", **fields: Any) -> Lease:
    message = encode_message(TaskMessage(type=task_type, payload=b"x", id="id", queue=queue, **fields))
    return Lease(queue, "id", message, Term())


def told(metrics: ServerMetrics) -> Mapping[str, float]:
    registry: CollectorRegistry = registry_of([metrics], process=False)
    samples = (line.rpartition(" ") for line in text_of(registry).splitlines() if not line.startswith("#"))
    return {name.removeprefix("asynq_server_"): float(value) for name, _, value in samples}


def test_processed_and_failed_are_what_asynq_counts() -> None:
    metrics = ServerMetrics(["q"], 1)
    metrics.ended(
        [
            lease("done"),
            Settlement(lease("done"), SettleKind.DONE),
            Settlement(lease("kept"), SettleKind.COMPLETE),
            Settlement(lease("failed"), SettleKind.RETRY),
            Settlement(lease("excused"), SettleKind.RETRY, is_failure=False),
            Settlement(lease("buried"), SettleKind.ARCHIVE),
            Settlement(lease("back"), SettleKind.REQUEUE),
            lease("done", queue="other"),
        ]
    )

    found = told(metrics)
    assert {name: value for name, value in found.items() if name.startswith("tasks_processed")} == {
        'tasks_processed_total{queue="other",task_type="done"}': 1,
        'tasks_processed_total{queue="q",task_type="buried"}': 1,
        'tasks_processed_total{queue="q",task_type="done"}': 2,
        'tasks_processed_total{queue="q",task_type="failed"}': 1,
        'tasks_processed_total{queue="q",task_type="kept"}': 1,
    }
    assert {name: value for name, value in found.items() if name.startswith("tasks_failed")} == {
        'tasks_failed_total{queue="q",task_type="buried"}': 1,
        'tasks_failed_total{queue="q",task_type="failed"}': 1,
    }


def test_types_without_end_share_a_line() -> None:
    metrics = ServerMetrics(["q"], 1)
    for number in range(TYPES_MAX + 50):
        metrics.ended([lease(f"type-{number}")])
        metrics.handled("q", f"type-{number}", 0.1, 1)

    processed = {name: value for name, value in told(metrics).items() if name.startswith("tasks_processed")}
    assert len(processed) == TYPES_MAX + 1
    assert processed[f'tasks_processed_total{{queue="q",task_type="{OTHER}"}}'] == 50


def test_samples_stand_for_all_tasks_of_a_batch() -> None:
    metrics = ServerMetrics(["q"], 1)
    metrics.waited("q", 1_000, [0.02, 0.002, 0.002])
    metrics.waited("q", 5, [])
    metrics.handled("q", "t", 2.0, 10)

    found = told(metrics)
    assert found['task_wait_seconds_count{queue="q"}'] == 1_000
    assert found['task_wait_seconds_bucket{le="0.0025",queue="q"}'] == 667
    assert found['task_wait_seconds_bucket{le="0.025",queue="q"}'] == 1_000
    assert found['task_duration_seconds_sum{queue="q",task_type="t"}'] == 20
    assert found['task_duration_seconds_bucket{le="1.0",queue="q",task_type="t"}'] == 0


def test_each_queue_tells_what_runs_and_a_message_of_any_kind_is_counted() -> None:
    metrics = ServerMetrics(["a", "b"], 7)
    metrics.in_progress = lambda: ["b", "b"]
    broken = Lease("q", "id", b"\xff\xff", Term())
    metrics.ended([lease("x" * 200), lease(""), broken, lease("größe")])

    found = told(metrics)
    assert (found['tasks_in_progress{queue="a"}'], found['tasks_in_progress{queue="b"}']) == (0, 2)
    assert found["concurrency"] == 7
    types = {name.split('"')[3] for name in found if name.startswith("tasks_processed")}
    assert types == {"x" * 200, "", "größe"}
    assert found['tasks_processed_total{queue="q",task_type=""}'] == 2
