"""Which broker does a program get, and what chose it?

Contract: the only composition root: nothing else builds a broker or reads the environment. `ASYNQ_COMPAT_BROKER` wins over the code, so
that a program moves to another broker without a change; with nothing said, it is a file in the user's state folder, and a warning says
so once. Every start logs one line: which broker, and what chose it.
Not obvious: a `Broker` that is passed in is used as it is, whatever the environment says, and is not closed by who uses it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, assert_never, cast

from asynq_compat.connect.checks import checked_path
from asynq_compat.connect.kafka import kafka_store
from asynq_compat.connect.redis import redis_settings
from asynq_compat.connect.standing_in import standing_in
from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.keywords import check_truth
from asynq_compat.targets import (
    SCHEMES,
    EmbeddedOpt,
    MemoryOpt,
    RedisClientOpt,
    RedisClusterClientOpt,
    RedisConnOpt,
    RedisFailoverClientOpt,
    RedpandaOpt,
    Target,
    parse_url,
)
from asynq_compat.targets.local import DefaultFile
from asynq_compat.targets.partitioning import check_partitions

if TYPE_CHECKING:
    from asynq_compat.journals.journal import JournalStore

BrokerTarget = Target | str | Broker | None

VARIABLE = "ASYNQ_COMPAT_BROKER"

_log = logging.getLogger("asynq_compat")
_TARGETS = (RedisClientOpt, RedisFailoverClientOpt, RedisClusterClientOpt, RedpandaOpt, EmbeddedOpt, MemoryOpt)
_has_warned = False
# What a command line said for this whole process, and with which of its options.
_claim: tuple[Target | str, str] | None = None


def claim(target: Target | str, option: str) -> None:
    """Have the whole process, code of a user and child processes included, use what a command line says.

    A URL becomes the environment's; an option object counts wherever the code names no broker. Log lines say that `option` chose it.
    """
    global _claim
    _claim = target, option
    if isinstance(target, str):
        os.environ[VARIABLE] = target
    else:
        os.environ.pop(VARIABLE, None)


def open_broker(
    target: object = None,
    *,
    clock: Clock | None = None,
    replica: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Broker:
    """Return the broker that `target` stands for, opened.

    Args:
        target: An option object (`RedisClientOpt`, `RedpandaOpt`, `EmbeddedOpt`, ...), a URL, a `Broker`, or None for the default file.
        clock: Who says what time it is; None for the machine's clocks.
        replica: On a journal, follow each queue whose answers are needed, instead of asking its servers; see `Client`.
        environment: Where the variable is looked for that wins over `target`; empty where `target` is the user's last word.

    Raises:
        InvalidArgumentError: It stands for no broker, or `replica` is no truth value.
        BrokerUnavailableError: It does not answer, or is not usable; the message says where and why.
    """
    check_truth("replica", replica)
    if isinstance(target, Broker):
        return target
    if (test := standing_in()) is not None:
        check_kind(target)
        return test.broker
    chosen, chosen_by = choose(target, environment)
    broker = _open(chosen, clock, replica=replica)
    _log.info("broker: %s, chosen by %s", broker.address, chosen_by)
    return broker


def choose(target: object, environment: Mapping[str, str]) -> tuple[Target, str]:
    """Return what to open, and what chose it.

    Raises:
        InvalidArgumentError: The environment's URL, or `target`, stands for no broker.
    """
    check_kind(target)
    claimed, option = _claim or (None, "")
    url = environment.get(VARIABLE, "")
    if url:
        try:
            return parse_url(url), option if url == claimed else f"the environment variable {VARIABLE}"
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{VARIABLE}: {error}") from None
    if claimed is not None and not isinstance(claimed, str) and (target is None or target is claimed):
        return claimed, option
    if target is None:
        _warn_once(default_path(environment))
        return EmbeddedOpt(), f"default, since neither the code nor {VARIABLE} says which"
    if isinstance(target, str):
        return parse_url(target), "a URL in the code"
    return cast("Target", target), f"{type(target).__name__} in the code"


def check_target(target: object) -> None:
    """Refuse what stands for no broker; nothing is opened.

    Raises:
        InvalidArgumentError: The environment's URL, or `target`, stands for no broker.
    """
    if standing_in() is None and not isinstance(target, Broker):
        choose(target, os.environ)
    check_kind(target)


def check_kind(target: object) -> None:
    """Refuse what cannot stand for a broker whatever it says; nothing is read and nothing opened.

    Raises:
        InvalidArgumentError: It is neither a URL, an option object, a `Broker` nor None.
    """
    if target is not None and not isinstance(target, (str, Broker, *_TARGETS)):
        raise InvalidArgumentError(
            f"a broker is given as a URL, RedisClientOpt, RedpandaOpt or EmbeddedOpt, got {type(target).__name__}; "
            f"URLs begin with {SCHEMES}"
        )


def _warn_once(path: Path) -> None:
    global _has_warned
    if not _has_warned:
        _has_warned = True
        _log.warning(
            "no broker is configured: tasks go to the file %s; pass a broker to the constructor or set %s, "
            "for example to redis://localhost:6379",
            path,
            VARIABLE,
        )


def default_path(environment: Mapping[str, str]) -> Path:
    """Return the file that is used when nothing is configured: one per user, in the folder meant for a program's state."""
    state = environment.get("XDG_STATE_HOME") or environment.get("LOCALAPPDATA")
    if state and Path(state).is_absolute():
        folder = Path(state)
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path.home() / ".local" / "state"
    return folder / "asynq_compat" / "asynq.db"


def _made_default_path() -> Path:
    path = default_path(os.environ)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerUnavailableError(
            f"the folder {path.parent} cannot be made: {error.strerror}; pass EmbeddedOpt(path) or set {VARIABLE}"
        ) from error
    return path


def _open(target: Target, clock: Clock | None, *, replica: bool) -> Broker:
    match target:
        case RedisClientOpt() | RedisFailoverClientOpt() | RedisClusterClientOpt():
            return _open_redis(target, clock)
        case MemoryOpt() | EmbeddedOpt() | RedpandaOpt():
            return _open_journal(target, clock, replica=replica)
        case _:
            assert_never(target)


def _open_redis(opt: RedisConnOpt, clock: Clock | None) -> Broker:
    from asynq_compat.brokers.redis.open import open_redis

    return open_redis(redis_settings(opt), clock)


def _open_journal(target: MemoryOpt | EmbeddedOpt | RedpandaOpt, clock: Clock | None, *, replica: bool) -> Broker:
    from asynq_compat.brokers.journal.open import open_journal
    from asynq_compat.journals.examining import Examinable

    count = check_partitions(target.partitions)
    store = open_store(target, clock)
    return open_journal(
        store,
        clock=clock,
        shares=isinstance(target, MemoryOpt),
        replica=replica,
        partition_count=count,
        examine=store.examine if isinstance(store, Examinable) else tuple,
    )


def open_store(target: MemoryOpt | EmbeddedOpt | RedpandaOpt, clock: Clock | None) -> JournalStore:
    """Return where a target's journals stand.

    Args:
        target: The target.
        clock: A caller's; None, or the system's, which other processes have too: one of them may then write a large checkpoint.
    """
    given: dict[str, Callable[[], int]] = {}
    if clock is not None and not isinstance(clock, SystemClock):
        given["now_ms"] = lambda: clock.now_ns() // 1_000_000
    match target:
        case MemoryOpt():
            from asynq_compat.journals.memory import MemoryJournalStore

            return MemoryJournalStore(target.name, **given)
        case EmbeddedOpt():
            from asynq_compat.journals.sqlite import SqliteJournalStore

            path = str(_made_default_path()) if target.path is DefaultFile.OF_THE_USER else checked_path(target.path)
            return SqliteJournalStore(path, **given)
        case RedpandaOpt():
            return kafka_store(target)
        case _:
            assert_never(target)
