"""Which scenarios make up the suite?

Contract: the table of all of it, in the order of a task's life. A broker is conformant when each scenario returns.
"""

from __future__ import annotations

from asynq_compat.testing.conformance import (
    acquire_token,
    aggregate,
    archive_all,
    archive_task,
    cancelations,
    delete_all,
    delete_expired_completed,
    delete_set,
    delete_task,
    enqueue,
    enqueue_events,
    enqueue_grouped,
    enqueue_unique,
    expired_leases,
    extend,
    fire,
    forward_due,
    history,
    list_groups,
    list_tasks,
    pause_queue,
    queue_stats,
    reclaim_sets,
    remove_queue,
    run_all,
    run_task,
    scheduler_entries,
    server_state,
    settle_archive,
    settle_complete,
    settle_done,
    settle_requeue,
    settle_retry,
    take,
    update_payload,
    write_result,
)
from asynq_compat.testing.conformance.scenario import PATIENCE_S, Scenario, scenarios_of
from asynq_compat.testing.conformance.traits import BrokerTraits

TRANSITIONS = (
    enqueue,
    enqueue_unique,
    enqueue_grouped,
    take,
    settle_done,
    settle_complete,
    settle_retry,
    settle_archive,
    settle_requeue,
    extend,
    write_result,
    forward_due,
    expired_leases,
    delete_expired_completed,
    aggregate,
    delete_set,
    reclaim_sets,
    run_task,
    archive_task,
    delete_task,
    update_payload,
    run_all,
    archive_all,
    delete_all,
    pause_queue,
    remove_queue,
    list_tasks,
    list_groups,
    queue_stats,
    history,
    cancelations,
    server_state,
    scheduler_entries,
    enqueue_events,
    fire,
    acquire_token,
)

SCENARIOS: tuple[Scenario, ...] = scenarios_of(TRANSITIONS)


def scenarios_for(traits: BrokerTraits) -> tuple[Scenario, ...]:
    """Return what a broker with these traits has to pass: everything that its time allows."""
    return tuple(scenario for scenario in SCENARIOS if traits.has_virtual_time or scenario.passes_s <= PATIENCE_S)
