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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from asynq_compat.errors import BrokerUnavailableError, InvalidArgumentError, UnsupportedByBroker
from asynq_compat.options import Duration, duration_ns
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.system_clock import SystemClock
from asynq_compat.rules.clock import Clock
from asynq_compat.rules.limits import NS_PER_S, is_utf8, shown
from asynq_compat.targets import (
    SCHEMES,
    EmbeddedOpt,
    MemoryOpt,
    RedisClientOpt,
    RedisClusterClientOpt,
    RedisFailoverClientOpt,
    RedpandaOpt,
    Target,
    TLSConfig,
    parse_url,
)

if TYPE_CHECKING:
    import ssl  # slow to import

    from asynq_compat.brokers.redis.open import RedisSettings
    from asynq_compat.journals.journal import JournalStore

BrokerTarget = Target | str | Broker | None

VARIABLE = "ASYNQ_COMPAT_BROKER"

_log = logging.getLogger("asynq_compat")
_TARGETS = (RedisClientOpt, RedisFailoverClientOpt, RedisClusterClientOpt, RedpandaOpt, EmbeddedOpt, MemoryOpt)
_PATH_LENGTH_MAX = 4_095  # Linux's PATH_MAX less the NUL
_has_warned = False


def open_broker(target: object = None, *, clock: Clock | None = None) -> Broker:
    """Return the broker that `target` stands for, opened.

    Args:
        target: An option object (`RedisClientOpt`, `RedpandaOpt`, `EmbeddedOpt`, ...), a URL, a `Broker`, or None for the default file.
        clock: Who says what time it is; None for the machine's clocks.

    Raises:
        InvalidArgumentError: It stands for no broker.
        UnsupportedByBroker: This kind of broker cannot be opened yet.
        BrokerUnavailableError: It does not answer, or is not usable; the message says where and why.
    """
    if isinstance(target, Broker):
        return target
    chosen, chosen_by = choose(target, os.environ)
    broker = _open(chosen, clock)
    _log.info("broker: %s, chosen by %s", broker.address, chosen_by)
    return broker


def choose(target: object, environment: Mapping[str, str]) -> tuple[Target, str]:
    """Return what to open, and what chose it.

    Raises:
        InvalidArgumentError: The environment's URL, or `target`, stands for no broker.
    """
    url = environment.get(VARIABLE, "")
    if url:
        try:
            return parse_url(url), f"the environment variable {VARIABLE}"
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{VARIABLE}: {error}") from None
    if target is None:
        _warn_once(default_path(environment))
        return EmbeddedOpt(), f"default, since neither the code nor {VARIABLE} says which"
    if isinstance(target, str):
        return parse_url(target), "a URL in the code"
    if isinstance(target, _TARGETS):
        return target, f"{type(target).__name__} in the code"
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


def _open(target: Target, clock: Clock | None) -> Broker:
    match target:
        case RedisClientOpt():
            return _open_redis(target, clock)
        case RedisFailoverClientOpt() | RedisClusterClientOpt():
            raise UnsupportedByBroker(
                f"{type(target).__name__} cannot be opened yet, it comes with a later version; "
                "use RedisClientOpt with the master's address"
            )
        case MemoryOpt() | EmbeddedOpt() | RedpandaOpt():
            return _open_journal(target, clock)
        case _:
            assert_never(target)


def _open_redis(opt: RedisClientOpt, clock: Clock | None) -> Broker:
    from asynq_compat.brokers.redis.open import open_redis

    return open_redis(redis_settings(opt), clock)


def redis_settings(opt: RedisClientOpt) -> RedisSettings:
    """Return what the option means for the Redis broker, Go's defaults filled in.

    Raises:
        InvalidArgumentError: A field is not of its type, a timeout is no duration, or the certificates cannot be loaded.
    """
    from asynq_compat.brokers.redis.open import RedisSettings

    _check_fields(opt, addr=str, username=str, password=str, network=str, db=int, pool_size=int)
    if opt.network not in {"", "tcp", "unix"}:
        raise InvalidArgumentError(f"network must be tcp or unix, got {shown(opt.network)}; leave it out to go by addr")
    if opt.pool_size < 0:
        raise InvalidArgumentError(
            f"pool_size must not be negative, got {shown(opt.pool_size)}; leave it out for ten per CPU"
        )
    read_timeout_s = _timeout_s("read_timeout", opt.read_timeout, 3.0)
    return RedisSettings(
        network=opt.network or ("unix" if opt.addr.startswith("/") else "tcp"),
        addr=opt.addr or "localhost:6379",
        username=opt.username,
        password=opt.password,
        db=opt.db,
        dial_timeout_s=_timeout_s("dial_timeout", opt.dial_timeout, 5.0) or 5.0,
        read_timeout_s=read_timeout_s,
        write_timeout_s=_timeout_s("write_timeout", opt.write_timeout, read_timeout_s),
        pool_size=opt.pool_size or None,
        tls=_tls_context(opt.tls_config),
        server_name=opt.tls_config.server_name if isinstance(opt.tls_config, TLSConfig) else "",
    )


def _check_fields(opt: Target, **kinds: type) -> None:
    """Refuse an option object whose fields are not of these types. Values are not shown: one may be a password."""
    for name, kind in kinds.items():
        value = getattr(opt, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidArgumentError(
                f"{name} of {type(opt).__name__} must be of type {kind.__name__}, got {type(value).__name__}"
            )
        if isinstance(value, str) and not is_utf8(value):
            raise InvalidArgumentError(f"{name} of {type(opt).__name__} must be valid Unicode; it has a lone surrogate")


def _timeout_s(name: str, timeout: Duration | None, default_s: float | None) -> float | None:
    """Return a timeout in seconds, None for no limit: Go's 0 is the default, and a negative one no limit."""
    timeout_ns = 0 if timeout is None else duration_ns(name, timeout)
    if timeout_ns == 0:
        return default_s
    return timeout_ns / NS_PER_S if timeout_ns > 0 else None


def _tls_context(config: TLSConfig | ssl.SSLContext | None) -> bool | ssl.SSLContext:
    if config is None:
        return False
    import ssl

    if isinstance(config, ssl.SSLContext):
        return config
    if not isinstance(config, TLSConfig):
        raise InvalidArgumentError(f"tls_config must be a TLSConfig or ssl.SSLContext, got {shown(config)}")
    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if config.cert_file:
            context.load_cert_chain(config.cert_file, config.key_file or None)
    except OSError as error:
        raise InvalidArgumentError(f"the certificates of {config} cannot be loaded: {error}; check the files") from None
    if config.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _open_journal(target: MemoryOpt | EmbeddedOpt | RedpandaOpt, clock: Clock | None) -> Broker:
    from asynq_compat.brokers.journal.open import open_journal

    store = _store(target, SystemClock() if clock is None else clock)
    return open_journal(store, clock=clock, shares=isinstance(target, MemoryOpt))


def _store(target: MemoryOpt | EmbeddedOpt | RedpandaOpt, clock: Clock) -> JournalStore:
    def now_ms() -> int:
        return clock.now_ns() // 1_000_000

    match target:
        case MemoryOpt():
            from asynq_compat.journals.memory import MemoryJournalStore

            return MemoryJournalStore(target.name, now_ms=now_ms)
        case EmbeddedOpt():
            from asynq_compat.journals.sqlite import SqliteJournalStore

            return SqliteJournalStore(_checked_path(target.path) or str(_made_default_path()), now_ms=now_ms)
        case RedpandaOpt():
            return _kafka_store(target)
        case _:
            assert_never(target)


def _checked_path(path: object) -> str:
    if not isinstance(path, str | os.PathLike):
        raise InvalidArgumentError(
            f"path must be a str or os.PathLike, got {shown(path)}; for example EmbeddedOpt('tasks.db')"
        )
    text = os.fsdecode(path)
    if "\0" in text or not is_utf8(text) or len(text) > _PATH_LENGTH_MAX:
        raise InvalidArgumentError(f"{shown(text)} is no path of a file; for example EmbeddedOpt('tasks.db')")
    return text


def _are_texts(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(one, str) and is_utf8(one) for one in value)


def _kafka_store(opt: RedpandaOpt) -> JournalStore:
    from asynq_compat.journals.kafka.journal import KafkaJournalStore
    from asynq_compat.journals.kafka.settings import KafkaSettings

    _check_fields(opt, namespace=str, replication_factor=int)
    if not _are_texts(opt.brokers):
        raise InvalidArgumentError(
            f"brokers must be a str or a sequence of them, got {shown(opt.brokers)}; for example RedpandaOpt('localhost:9092')"
        )
    timeout_s = _timeout_s("request_timeout", opt.request_timeout, None)
    return KafkaJournalStore(
        KafkaSettings(
            bootstrap=opt.addresses,
            namespace=opt.namespace,
            request_timeout_s=timeout_s or 30.0,
            connect_timeout_s=timeout_s,
            replication_factor=opt.replication_factor,
        )
    )
