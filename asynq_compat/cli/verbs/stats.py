"""How many tasks are there, by state and by queue?

Not obvious: the JSON object is that of Asynq's own command line, its names and units included (`Latency` in nanoseconds), since scripts read
it; `broker` stands beside it. All other commands speak in snake_case and seconds.
Source: asynq v0.26.0 `tools/asynq/cmd/stats.go`; docs/operations.md, "JSON".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from asynq_compat.cli.output import json_option, print_json, print_table, print_text
from asynq_compat.cli.session import Session
from asynq_compat.cli.views import STATES, error_rate
from asynq_compat.errors import QueueNotFoundError
from asynq_compat.inspector import Inspector
from asynq_compat.ports.inspecting import QueueInfo

_FACTS = ("connected_clients", "used_memory_human", "used_memory_peak_human")
_SUMS = (*STATES, "processed", "failed")


@click.command()
@json_option
@click.pass_obj
def stats(session: Session, *, as_json: bool) -> None:
    """Show how many tasks there are, by state and by queue, what was done today, and where the tasks are.

    \b
    Examples:
      asynq-compat stats
      asynq-compat stats --json
    """
    with session.broker() as broker:
        infos = _infos(Inspector(broker))
        where = {"family": broker.family, "address": broker.address}
        facts = broker.diagnosing.facts() if broker.family == "redis" else None
    if as_json:
        print_json({**_as_go_does(infos), "redis": facts, "broker": where})
    else:
        _print(infos, where, facts or {})


def _infos(inspector: Inspector) -> Sequence[QueueInfo]:
    infos = []
    for name in sorted(inspector.queues()):
        try:
            infos.append(inspector.get_queue_info(name))
        except QueueNotFoundError:
            continue  # It was removed meanwhile.
    return infos


def _as_go_does(infos: Sequence[QueueInfo]) -> Mapping[str, object]:
    sums: dict[str, object] = {name: sum(getattr(info, name) for info in infos) for name in _SUMS}
    sums["timestamp"] = datetime.now(UTC)
    return {"aggregate": sums, "queues": [_queue_as_go_does(info) for info in infos] or None}


def _queue_as_go_does(info: QueueInfo) -> Mapping[str, object]:
    counts = {state.capitalize(): getattr(info, state) for state in STATES}
    return {
        "Queue": info.queue,
        "MemoryUsage": info.memory_usage,
        "Paused": info.paused,
        "Size": info.size,
        "Groups": info.groups,
        **counts,
        "Processed": info.processed,
        "Failed": info.failed,
        "ProcessedTotal": info.processed_total,
        "FailedTotal": info.failed_total,
        "Latency": round(info.latency.total_seconds() * 1_000_000_000),
        "Timestamp": info.timestamp,
    }


def _print(infos: Sequence[QueueInfo], where: Mapping[str, str], facts: Mapping[str, str]) -> None:
    print_text("Task count by state")
    print_table(STATES, [[str(sum(getattr(info, state) for info in infos)) for state in STATES]])
    if infos:
        print_text("\nTask count by queue")
        print_table(
            ("queue", "size", *STATES, ""),
            [
                (
                    info.queue,
                    str(info.size),
                    *(str(getattr(info, state)) for state in STATES),
                    "paused" if info.paused else "",
                )
                for info in infos
            ],
        )
    processed, failed = (sum(getattr(info, name) for info in infos) for name in ("processed", "failed"))
    print_text(f"\nToday ({datetime.now(UTC):%Y-%m-%d} UTC)")
    print_table(("processed", "failed", "error rate"), [(str(processed), str(failed), error_rate(processed, failed))])
    print_text(f"\n{where['family']} at {where['address']}")
    if facts:
        print_table(
            ("version", "uptime", "connections", "memory usage", "peak memory usage"),
            [
                (
                    facts.get("redis_version", "-"),
                    f"{facts.get('uptime_in_days', '-')} days",
                    *(facts.get(name, "-") for name in _FACTS),
                )
            ],
        )
