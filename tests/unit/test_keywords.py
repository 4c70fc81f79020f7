"""Is a misspelt keyword told, with the one that was meant, wherever a user writes one?"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from typing import Any

import pytest

import asynq_compat as asynq

MISSPELT: list[tuple[Callable[..., object], str, str]] = [
    (asynq.Config, "concurency", "unknown keyword 'concurency' of Config; did you mean concurrency=?"),
    (asynq.Config, "StrictPriority", "unknown keyword 'StrictPriority' of Config; did you mean strict_priority=?"),
    (asynq.RedisClientOpt, "address", "unknown keyword 'address' of RedisClientOpt; did you mean addr=?"),
    (asynq.RedisClientOpt, "passwd", "did you mean password=?"),
    (asynq.RedisFailoverClientOpt, "master", "did you mean master_name=?"),
    (asynq.RedisClusterClientOpt, "addr", "did you mean addrs=?"),
    (asynq.RedpandaOpt, "broker", "unknown keyword 'broker' of RedpandaOpt; did you mean brokers=?"),
    (asynq.EmbeddedOpt, "file", "unknown keyword 'file' of EmbeddedOpt; use one of path"),
    (asynq.MemoryOpt, "names", "did you mean name=?"),
    (asynq.TLSConfig, "cafile", "did you mean ca_file=?"),
    (asynq.Client, "clok", "unknown keyword 'clok' of Client; did you mean clock=?"),
    (asynq.AsyncClient, "targets", "unknown keyword 'targets' of AsyncClient; did you mean target=?"),
    (asynq.Server, "concurrency", "unknown keyword 'concurrency' of Server; write config=Config(concurrency=...)"),
    (asynq.Scheduler, "elect", "unknown keyword 'elect' of Scheduler; write opts=SchedulerOpts(elect=...)"),
    (asynq.Server, "configuration", "unknown keyword 'configuration' of Server; did you mean config=?"),
    (asynq.Inspector, "klock", "unknown keyword 'klock' of Inspector; did you mean clock=?"),
    (asynq.MaxRetry, "number", "unknown keyword 'number' of MaxRetry; use one of n"),
    (asynq.Queue, "nam", "unknown keyword 'nam' of Queue; did you mean name=?"),
    (asynq.TaskID, "task_id", "use one of id"),
    (asynq.Timeout, "seconds", "unknown keyword 'seconds' of Timeout; use one of duration"),
    (asynq.Deadline, "instance", "did you mean instant=?"),
    (asynq.Unique, "tll", "did you mean ttl=?"),
    (asynq.ProcessAt, "instants", "did you mean instant=?"),
    (asynq.ProcessIn, "durations", "did you mean duration=?"),
    (asynq.Retention, "minutes", "use one of duration"),
    (asynq.Group, "names", "did you mean name=?"),
    (asynq.PageSize, "values", "did you mean value=?"),
    (asynq.Page, "number", "use one of value"),
]


@pytest.mark.parametrize(
    ("make", "keyword", "text"), MISSPELT, ids=[f"{make.__name__} {keyword}" for make, keyword, _ in MISSPELT]
)
def test_a_misspelt_keyword_is_told_with_the_one_that_was_meant(
    make: Callable[..., object], keyword: str, text: str
) -> None:
    arguments: dict[str, Any] = {keyword: "value"}

    with pytest.raises(asynq.InvalidArgumentError) as told:
        make(**arguments)

    assert text in str(told.value)
    assert told.value.__suppress_context__, "a TypeError behind it would say the same again"


@pytest.mark.parametrize("keyword", ["max_retry", "queue", "header"])
def test_a_task_says_where_its_options_go(keyword: str) -> None:
    arguments: dict[str, Any] = {keyword: 5}

    with pytest.raises(asynq.InvalidArgumentError) as told:
        asynq.Task("t", b"", **arguments)

    assert (
        str(told.value)
        == {
            "max_retry": "unknown keyword 'max_retry' of Task; write Task(type, payload, MaxRetry(...)), or max_retry= where it is enqueued",
            "queue": "unknown keyword 'queue' of Task; write Task(type, payload, Queue(...)), or queue= where it is enqueued",
            "header": "unknown keyword 'header' of Task; did you mean headers=?",
        }[keyword]
    )


def test_what_else_is_wrong_with_a_call_stays_what_it_is() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        asynq.MaxRetry(1, 2)  # type: ignore[call-arg]  # the mistake under test
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'ttl'"):
        asynq.Unique()  # type: ignore[call-arg]  # the mistake under test


def test_nothing_else_is_different_about_what_suggests() -> None:
    """Signatures, names and values are those that help and editors show."""
    assert [*inspect.signature(asynq.RedisClientOpt).parameters][:3] == ["addr", "username", "password"]
    assert asynq.MaxRetry.__name__ == "MaxRetry"
    assert str(inspect.signature(asynq.MaxRetry)) == "(n: 'int') -> 'Option'"
    assert asynq.RedisClientOpt("h:1") == asynq.RedisClientOpt(addr="h:1")
    with asynq.Client(target=f"memory://{uuid.uuid4()}") as client:
        client.ping()
