"""Does a server's configuration mean what Asynq's means, and say what is wrong with it?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from asynq_compat.config import Config, default_retry_delay_func
from asynq_compat.context import Context
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.logger import LogLevel
from asynq_compat.task import Task


def test_what_is_left_out_or_zero_has_asynqs_default() -> None:
    for config in (Config(), Config(concurrency=0, shutdown_timeout=0, janitor_interval=0, task_check_interval=-1)):
        assert config.concurrency >= 1
        assert config.queues == {"default": 1}
        assert config.strict_priority is False
        assert config.task_check_interval == 1
        assert config.shutdown_timeout == 8
        assert config.health_check_interval == 15
        assert config.delayed_task_check_interval == 1
        assert config.group_grace_period == 60
        assert (config.group_max_delay, config.group_max_size) == (0, 0)
        assert (config.janitor_interval, config.janitor_batch_size) == (8, 100)
        assert config.log_level is None
        assert config.retry_delay_func is default_retry_delay_func
        assert config.is_failure(ValueError())
        assert not config.base_context().cancelled()


def test_config_has_asynqs_twenty_fields_and_two_of_ours() -> None:
    assert len(vars(Config()).keys() - {"warnings"}) == 22


def test_durations_are_seconds_or_timedelta() -> None:
    assert Config(shutdown_timeout=timedelta(minutes=1)).shutdown_timeout == 60
    assert Config(shutdown_timeout=1.5).shutdown_timeout == 1.5
    assert Config(shutdown_timeout=-1).shutdown_timeout == -1


def test_blank_names_and_priorities_below_one_are_dropped() -> None:
    assert Config(queues={"a": 2, " ": 3, "b": 0, "c": -1}).queues == {"a": 2}
    assert Config(queues={"b": 0}).queues == {"default": 1}


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ({}, []),
        ({"concurrency": 0, "queues": {}, "task_check_interval": 0, "shutdown_timeout": 0}, []),
        (
            {"queues": {"a": 2, " ": 3, "b": 0}},
            [
                "queues: ignored are ' ' (3), 'b' (0), since a name must not be blank, a priority must be 1 or more; served are 'a' (2)"
            ],
        ),
        ({"queues": {"c": -1}}, ["'c' (-1), since .*; served are 'default' (1)"]),
        ({"queues": {f"q{number}": 0 for number in range(12)}}, ["'q9' (0) and 2 more, since"]),
        ({"concurrency": -3}, [f"concurrency: {Config().concurrency} in place of -3, which is less than 0"]),
        ({"concurrency": -(10**400)}, ["in place of -1000"]),
        (
            {"task_check_interval": -0.5, "shutdown_timeout": timedelta(seconds=-1)},
            [
                "task_check_interval: 1 in place of -0.5",
                "-1 s is less than 0, so running tasks are handed back at once",
            ],
        ),
    ],
)
def test_what_go_takes_in_silence_is_told(arguments: dict[str, Any], lines: list[str]) -> None:
    told = Config(**arguments).warnings

    assert len(told) == len(lines)
    for line, wanted in zip(told, lines, strict=True):
        assert re.search(wanted.replace("(", r"\(").replace(")", r"\)"), line)


async def aggregate_async(group: str, tasks: Sequence[Task]) -> Task:
    return Task(group, b"%d" % len(tasks))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"concurrency": "10"}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"shutdown_timeout": float("nan")}, "shutdown_timeout"),
        ({"shutdown_timeout": "8s"}, "shutdown_timeout"),
        ({"task_check_interval": float("inf")}, "task_check_interval"),
        ({"strict_priority": "no"}, "strict_priority must be True or False, got 'no'"),
        ({"janitor_interval": -1}, "janitor_interval"),
        ({"delayed_task_check_interval": -1}, "delayed_task_check_interval"),
        ({"health_check_interval": -1}, "health_check_interval"),
        ({"janitor_batch_size": -5}, "janitor_batch_size"),
        ({"group_grace_period": 0.5}, "GroupGracePeriod cannot be less than a second, got 0.5; leave it out"),
        ({"queues": ["default"]}, "queues"),
        ({"queues": {1: 1}}, "name of a queue"),
        ({"queues": {"\udcff": 1}}, "name of a queue must be text in UTF-8"),
        ({"queues": {"a": 1.5}}, "priority of queue 'a'"),
        ({"queues": {"a": 2**31}}, "priority of queue 'a'"),
        ({"retry_delay_func": 5}, "retry_delay_func"),
        ({"error_handler": object()}, "error_handler"),
        ({"group_aggregator": object()}, "group_aggregator"),
        ({"group_aggregator": aggregate_async}, "plain function"),
        ({"group_max_size": -1}, "group_max_size must not be negative, got -1"),
        ({"log_level": 6}, "asynq: unexpected log level: 6; use 1 .debug. to 5"),
        ({"log_level": "loud"}, 'asynq: unsupported log level "loud"; use debug, info, warn, error or fatal'),
        ({"log_level": 1.5}, "log_level must be a LogLevel, its number or its name, got 1.5; use debug"),
        ({"concurrency": 2**31}, "concurrency must be up to 2147483647, got 2147483648"),
        ({"processes": -1}, "processes must be between 1 and 512, got -1; one for each CPU"),
        ({"processes": 100_000}, "processes must be between 1 and 512, got 100000; one for each CPU"),
        ({"processes": 3, "concurrency": 2}, "processes must be at most concurrency, which is 2, got 3"),
        ({"logger": 3}, "logger must be a logging.Logger or have debug, info, warn, error, got 3 without debug"),
    ],
)
def test_a_wrong_field_is_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgumentError, match=named):
        Config(**arguments)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("debug", LogLevel.DEBUG),
        ("INFO", LogLevel.INFO),
        ("warning", LogLevel.WARN),
        ("Warn", LogLevel.WARN),
        ("error", LogLevel.ERROR),
        ("fatal", LogLevel.FATAL),
    ],
)
def test_levels_are_read_in_any_case(text: str, level: LogLevel) -> None:
    assert LogLevel.parse(text) is level
    assert Config(log_level=text).log_level is level


def test_levels_print_and_count_as_in_go() -> None:
    assert [str(level) for level in LogLevel] == ["debug", "info", "warn", "error", "fatal"]
    assert [int(level) for level in LogLevel] == [1, 2, 3, 4, 5]


def test_callbacks_may_be_objects_with_gos_method() -> None:
    class Reporter:
        def handle_error(self, ctx: Context, task: Task, err: BaseException) -> None:
            raise AssertionError

    class Joiner:
        def aggregate(self, group: str, tasks: Sequence[Task]) -> Task:
            return tasks[0]

    reporter, joiner = Reporter(), Joiner()
    config = Config(error_handler=reporter, group_aggregator=joiner)

    handle: Callable[..., object] | None = config.error_handler
    assert handle == reporter.handle_error
    assert config.group_aggregator == joiner.aggregate


def test_the_default_delay_is_asynqs() -> None:
    delays = {default_retry_delay_func(2, ValueError(), Task("t")) for _ in range(500)}

    assert delays <= set(range(31, 119))
    assert len(delays) > 10
