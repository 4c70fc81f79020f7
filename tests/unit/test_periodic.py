"""Does a manager keep a scheduler in step with its provider?"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.connect import open_broker
from asynq_compat.periodic import PeriodicTaskManagerOpts
from asynq_compat.ports.broker import Broker
from tests.services.waiting import wait_until


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = open_broker(f"memory://{uuid.uuid4()}")
    yield broker
    broker.close()


class Provider:
    """Gives what a test puts in, or raises it."""

    def __init__(self, *configs: Any) -> None:
        self.configs: list[Any] | Exception = list(configs)
        self.asked_count = 0

    def get_configs(self) -> list[asynq.PeriodicTaskConfig]:
        self.asked_count += 1
        if isinstance(self.configs, Exception):
            raise self.configs
        return self.configs


def config(spec: str = "@daily", kind: str = "t", *opts: asynq.Option, **headers: str) -> asynq.PeriodicTaskConfig:
    return asynq.PeriodicTaskConfig(spec, asynq.Task(kind, b"p", headers=headers or None), opts)


def manager_of(broker: Broker, provider: Any, **fields: Any) -> asynq.PeriodicTaskManager:
    return asynq.PeriodicTaskManager(
        PeriodicTaskManagerOpts(
            periodic_task_config_provider=provider, redis_conn_opt=broker, **{"sync_interval": 3_600} | fields
        )
    )


def kept(manager: asynq.PeriodicTaskManager) -> dict[str, tuple[str, str]]:
    """The entries of its scheduler by id."""
    return {entry.id: (entry.spec, entry.task.type) for entry, _, _ in manager._scheduler._agenda.entries()}


def sync(manager: asynq.PeriodicTaskManager) -> None:
    """What its thread does in every interval."""
    manager._syncer.run_once()


def test_what_is_new_comes_what_is_gone_goes_and_the_rest_keeps_its_entry(broker: Broker) -> None:
    provider = Provider(config(kind="stays"), config(kind="goes"))
    with manager_of(broker, provider) as manager:
        before = kept(manager)
        provider.configs = [config(kind="comes"), config(kind="stays")]
        sync(manager)
        after = kept(manager)

    assert sorted(kind for _, kind in before.values()) == ["goes", "stays"]
    assert sorted(kind for _, kind in after.values()) == ["comes", "stays"]
    (same,) = before.keys() & after.keys()
    assert before[same] == ("@daily", "stays")


@pytest.mark.parametrize(
    "other",
    [
        config("@hourly"),
        config(kind="u"),
        config("@daily", "t", asynq.Queue("low")),
        config(trace="1"),
        asynq.PeriodicTaskConfig("@daily", asynq.Task("t", b"p", asynq.Queue("low"))),
    ],
    ids=["spec", "type", "option", "header", "option of the task"],
)
def test_a_config_that_has_changed_is_registered_anew(broker: Broker, other: asynq.PeriodicTaskConfig) -> None:
    """Headers and the task's own options too, which Go does not notice."""
    provider = Provider(config())
    with manager_of(broker, provider) as manager:
        before = kept(manager)
        provider.configs = [other]
        sync(manager)
        after = kept(manager)

    assert len(after) == 1
    assert before.keys() != after.keys()


def test_a_config_that_is_given_twice_counts_once(broker: Broker) -> None:
    """In Go one of them fires for ever (G34)."""
    provider = Provider(config(), config())
    with manager_of(broker, provider) as manager:
        assert len(kept(manager)) == 1
        provider.configs = []
        sync(manager)
        assert kept(manager) == {}


def test_the_order_of_options_makes_no_other_config(broker: Broker) -> None:
    provider = Provider(config("@daily", "t", asynq.Queue("q"), asynq.MaxRetry(1)))
    with manager_of(broker, provider) as manager:
        before = kept(manager)
        provider.configs = [config("@daily", "t", asynq.MaxRetry(1), asynq.Queue("q"))]
        sync(manager)

        assert kept(manager) == before


def test_a_bad_spec_is_logged_at_every_sync_and_stops_nothing(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider(config("soon", "bad"), config(kind="good"))
    with manager_of(broker, provider) as manager:
        sync(manager)
        assert list(kept(manager).values()) == [("@daily", "good")]

    line = 'Failed to register periodic task: cronspec="soon" task="bad" err=expected exactly 5 fields, found 1: [soon]'
    told = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert [text.partition("; write five fields")[0] for text in told] == [line, line]


@pytest.mark.parametrize("wrong", [None, "config", config(""), asynq.PeriodicTaskConfig("@daily", None)])  # type: ignore[arg-type]
def test_an_invalid_config_changes_nothing(broker: Broker, caplog: pytest.LogCaptureFixture, wrong: Any) -> None:
    provider = Provider(config(kind="stays"))
    with manager_of(broker, provider) as manager:
        before = kept(manager)
        provider.configs = [config(kind="comes"), wrong]
        sync(manager)
        assert kept(manager) == before

    assert "Failed to sync: GetConfigs returned an invalid config: " in caplog.text


def test_a_provider_that_fails_changes_nothing(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider(config(kind="stays"))
    with manager_of(broker, provider) as manager:
        before = kept(manager)
        provider.configs = OSError("the file is gone")
        sync(manager)
        assert kept(manager) == before

    assert "Failed to get periodic task configs: the file is gone" in caplog.text


def test_the_provider_is_asked_again_in_every_interval_until_the_end(broker: Broker) -> None:
    provider = Provider()
    manager = manager_of(broker, provider, sync_interval=0.02)
    manager.start()
    wait_until(lambda: provider.asked_count >= 4, "four times")
    manager.shutdown()
    asked_count = provider.asked_count
    manager.shutdown()

    assert not [thread for thread in threading.enumerate() if thread.name == "asynq-syncer"]
    assert provider.asked_count == asked_count


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (OSError("no file"), "asynq: initial call to GetConfigs failed: no file"),
        ([None], "asynq: initial call to GetConfigs contained an invalid config: PeriodicTaskConfig cannot be nil"),
        ([config("")], ".*invalid config: PeriodicTaskConfig.Cronspec cannot be empty"),
        ([asynq.PeriodicTaskConfig("@daily", None)], ".*invalid config: PeriodicTaskConfig.Task cannot be nil"),  # type: ignore[arg-type]
    ],
)
def test_a_start_whose_first_answer_is_no_good_fails_and_can_be_tried_again(
    broker: Broker, answer: Any, text: str
) -> None:
    provider = Provider()
    provider.configs = answer
    manager = manager_of(broker, provider)
    with pytest.raises(asynq.InvalidArgumentError, match=f"^{text}"):
        manager.start()

    provider.configs = [config()]
    manager.start()
    assert len(kept(manager)) == 1
    manager.shutdown()


def test_a_second_start_is_refused_and_registers_nothing(broker: Broker) -> None:
    """In Go it registers everything once more."""
    manager = manager_of(broker, lambda: [config()])
    manager.start()
    with pytest.raises(asynq.ServerStateError, match=r"^asynq: asynq: the scheduler is already running$"):
        manager.start()
    assert len(kept(manager)) == 1
    manager.shutdown()
    with pytest.raises(asynq.ServerStateError, match=r"^asynq: asynq: the scheduler has already been stopped$"):
        manager.start()


def test_run_ends_when_another_thread_shuts_it_down(broker: Broker) -> None:
    provider = Provider()
    manager = manager_of(broker, provider)
    running = threading.Thread(target=manager.run)
    running.start()
    wait_until(lambda: manager._has_started, "the start")

    manager.shutdown()
    running.join(30)

    assert not running.is_alive()


def test_an_end_waits_no_longer_than_it_says_for_a_provider_and_registers_nothing_that_comes_later(
    broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asynq_compat.engine.scheduling.syncer._PATIENCE_S", 0.05)
    caplog.set_level(logging.INFO)
    asked, goes_on, has_given = threading.Semaphore(0), threading.Event(), threading.Event()

    def give() -> list[asynq.PeriodicTaskConfig]:
        asked.release()
        if not manager._has_started:
            return [config(kind="early")]
        goes_on.wait(60)
        has_given.set()
        return [config(kind="late")]

    manager = manager_of(broker, give, sync_interval=0.01)
    manager.start()
    for _ in range(2):
        assert asked.acquire(timeout=60)
    manager.shutdown()
    assert not has_given.is_set()
    assert "GetConfigs has not returned for 0.05 s: the scheduler ends without it" in caplog.text

    goes_on.set()
    wait_until(lambda: not manager._syncer.is_running, "its thread's end")
    assert has_given.is_set()
    assert "late" not in caplog.text


def test_a_config_has_gos_hash() -> None:
    """SHA-256 of `* * * * *`, `t`, `p`, `MaxRetry(1)`, `Queue("q")`, one behind the other."""
    one = asynq.PeriodicTaskConfig("* * * * *", asynq.Task("t", b"p"), [asynq.Queue("q"), asynq.MaxRetry(1)])

    assert one.hash() == "ea9296af75258f6447a188d2e8ef5fdeb417b01dc61be97046a09193b30b3b46"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: PeriodicTaskManagerOpts(periodic_task_config_provider=None), "PeriodicTaskConfigProvider cannot be nil"),  # type: ignore[arg-type]
        (lambda: PeriodicTaskManagerOpts(periodic_task_config_provider=7), "periodic_task_config_provider must have get_configs"),  # type: ignore[arg-type]
        (lambda: PeriodicTaskManagerOpts(periodic_task_config_provider=Provider(), sync_interval=-1), "sync_interval must not be negative, got -1"),
        (lambda: asynq.PeriodicTaskManager(Provider()), "opts must be PeriodicTaskManagerOpts"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_options_are_checked_when_they_are_made(make: Callable[[], object], text: str) -> None:
    with pytest.raises(asynq.InvalidArgumentError, match=f"^{text}"):
        make()
