"""Which brokers do the tests of a running server use?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.connect import open_broker
from asynq_compat.errors import UnsupportedByBroker
from tests.server.ground import Ground

# A test on Kafka takes a second: topics are made and brokers end long polls in their own time. One test of each kind of ending.
ON_KAFKA_TOO = frozenset(
    {
        "test_a_handler_sees_its_task_and_its_run",
        "test_an_exhausted_task_is_archived_with_its_counter_unchanged",
        "test_a_result_is_kept_with_a_retained_task",
        "test_no_more_than_concurrency_run_at_a_time",
        "test_what_outlasts_the_shutdown_is_handed_back_unchanged",
        "test_a_shutdown_waits_for_what_runs",
        "test_a_passed_deadline_frees_the_slot_while_the_handler_hangs",
        "test_a_task_is_cancelled_by_its_id",
        "test_results_cannot_be_written_after_the_end",
        "test_a_broker_that_was_handed_in_stays_open",
        "test_no_thread_is_left_behind",
        "test_the_log_tells_gos_story",
        "test_an_urgent_task_does_not_wait_behind_a_blocked_one_while_a_slot_is_free",
        "test_urgent_tasks_go_to_the_servers_with_free_slots_whoever_joined_first",
        "test_queues_are_served_in_proportion_to_their_weights",
        "test_handlers_run_in_several_processes_and_know_what_they_know_in_one",
        "test_a_process_that_dies_fails_what_it_ran_and_nothing_else",
    }
)
# On Redis the order of the queues is drawn anew for each take, as in Go: it holds only on average.
ON_JOURNALS_ALONE = frozenset({"test_queues_are_served_in_proportion_to_their_weights"})
# A queue in memory has one process.
IN_SEVERAL_PROCESSES = frozenset({"test_of_many_schedulers_one_fires_at_every_instant_though_some_die_and_sleep"})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that stands on a broker on each kind of it, chosen ones on Kafka too."""
    if "ground" in metafunc.fixturenames:
        kinds: list[object] = ["sqlite"]
        if metafunc.function.__name__ not in IN_SEVERAL_PROCESSES:
            kinds.insert(0, "memory")
        if metafunc.function.__name__ not in ON_JOURNALS_ALONE:
            kinds.insert(0, pytest.param("redis", marks=pytest.mark.redis))
        if metafunc.function.__name__ in ON_KAFKA_TOO:
            kinds.append(pytest.param("kafka", marks=pytest.mark.kafka))
        metafunc.parametrize("ground", kinds, indirect=True)


@pytest.fixture
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """An empty broker of the test's own, of the kind that the test is run on."""
    match request.param:
        case "redis":
            url = str(request.getfixturevalue("redis_url"))
        case "sqlite":
            url = f"sqlite:///{tmp_path / 'tasks.db'}"
        case "kafka":
            cluster = request.getfixturevalue("kafka_cluster")
            url = f"redpanda://{cluster.bootstrap}/{request.getfixturevalue('kafka_namespace')}"
        case _:
            url = f"memory://{uuid.uuid4()}"
    try:
        broker = open_broker(url)
    except UnsupportedByBroker as error:
        pytest.skip(str(error))
    yield Ground(broker, url)
    broker.close()
