"""Does a scheduler take what Go's takes, tell of what is odd, and refuse the rest with clear words?"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import asynq_compat as asynq
from asynq_compat.connect import open_broker
from asynq_compat.ports.broker import Broker


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = open_broker(f"memory://{uuid.uuid4()}")
    yield broker
    broker.close()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("", "empty spec string"),
        ("* * * *", r"expected exactly 5 fields, found 4: \[\* \* \* \*\]"),
        ("@often", "unrecognized descriptor: @often"),
        ("TZ=Mars/Olympus * * * * *", "provided bad location Mars/Olympus: unknown time zone Mars/Olympus"),
        ("TZ=../x * * * * *", "provided bad location ../x: time: invalid location name"),
        ("60 * * * *", r"end of range \(60\) above maximum \(59\): 60"),
        (
            "@every 100000000h",
            'failed to parse duration @every 100000000h: time: invalid duration "100000000h"; write .*292 years',
        ),
        (None, "cronspec must be a str, got None"),
    ],
)
def test_a_spec_that_is_wrong_is_refused_with_gos_words(broker: Broker, spec: Any, text: str) -> None:
    with pytest.raises(asynq.InvalidArgumentError, match=f"^{text}"):
        asynq.Scheduler(broker).register(spec, asynq.Task("t"))


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("@every -5s", "cron spec '@every -5s' fires every 1s: an interval is cut to whole seconds"),
        ("TZ=UTC @every 2500ms", "cron spec 'TZ=UTC @every 2500ms' fires every 2s"),
        ("0 0 31 2 *", "cron spec '0 0 31 2 *' never fires"),
        (", * * * *", "cron spec ', * * * *' never fires"),
        ("@every 2s", None),
        ("0 0 29 2 *", None),
    ],
)
def test_a_spec_that_is_taken_and_odd_is_told(
    broker: Broker, spec: str, line: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    asynq.Scheduler(broker).register(spec, asynq.Task("t"))

    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [text[: len(line or "")] for text in told] == ([line] if line else [])


def test_a_heartbeat_below_zero_is_told_at_the_start(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with asynq.Scheduler(broker, asynq.SchedulerOpts(heartbeat_interval=-1)):
        pass

    (line,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert line == "heartbeat_interval: 10 in place of -1, which is less than 0"


def test_what_could_never_be_enqueued_is_refused_at_once(broker: Broker) -> None:
    scheduler = asynq.Scheduler(broker)
    for task, options in (
        (asynq.Task(" "), ()),
        (None, ()),
        (asynq.Task("t"), (asynq.Queue(" "),)),
        (asynq.Task("t"), ("low",)),
    ):
        with pytest.raises(asynq.InvalidArgumentError):
            scheduler.register("@daily", task, *options)  # type: ignore[arg-type]  # the test's point
    with pytest.raises(asynq.NotFoundError, match=r"^asynq: no scheduler entry found: 'e' is none"):
        scheduler.unregister("e")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"location": "Mars"}, "unknown time zone 'Mars'; location takes names"),
        ({"location": 1}, "location must be the name of a time zone or a tzinfo, got 1"),
        ({"elect": "no"}, "elect must be True or False, got 'no'"),
        ({"pre_enqueue_func": 1}, "pre_enqueue_func must be a plain function, got 1"),
        ({"heartbeat_interval": "10s"}, "heartbeat_interval must be a finite number of seconds"),
        ({"log_level": "loud"}, 'asynq: unsupported log level "loud"'),
        ({"elects": True}, "unknown keyword 'elects' of SchedulerOpts; did you mean elect="),
    ],
)
def test_options_are_checked_when_they_are_made(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(asynq.InvalidArgumentError, match=f"^{text}"):
        asynq.SchedulerOpts(**fields)


def test_left_out_and_gos_zero_values_mean_asynqs_defaults() -> None:
    for opts in (asynq.SchedulerOpts(), asynq.SchedulerOpts(heartbeat_interval=-1, log_level=0)):
        assert (opts.heartbeat_interval, opts.log_level, str(opts.location), opts.elect) == (10.0, None, "UTC", False)


def test_anything_else_in_their_place_is_refused() -> None:
    with pytest.raises(asynq.InvalidArgumentError, match="opts must be SchedulerOpts, got 10"):
        asynq.Scheduler("memory://x", 10)  # type: ignore[arg-type]  # the test's point
