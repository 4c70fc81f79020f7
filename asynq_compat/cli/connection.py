"""Which options of the command line say where the tasks are?

Contract: ``--broker`` says it for every broker, in a URL. The others are those of Asynq's own command line and mean a Redis; they do not go
with ``--broker``. They may stand before the command or behind it. With neither, the environment's ASYNQ_COMPAT_BROKER holds, else the user's own file.
Not obvious: nothing but click is imported until a command opens its broker. Asynq reads variables named URI, DB, PASSWORD and a file
.asynq.yaml; this does not: such names belong to everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from asynq_compat.errors import InvalidArgumentError

if TYPE_CHECKING:
    from asynq_compat.targets import Target

_F = TypeVar("_F", bound=Callable[..., object])

_URI = "127.0.0.1:6379"
_CLUSTER = ",".join(f"127.0.0.1:{port}" for port in range(7000, 7006))
_REDIS_ONLY = ("uri", "db", "password", "username", "cluster", "cluster_addrs", "tls", "tls_server", "insecure")
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--broker",),
        {
            "metavar": "URL",
            "help": "redis://, redpanda:// or sqlite:///; default: the environment's ASYNQ_COMPAT_BROKER.",
        },
    ),
    (("--uri", "-u"), {"metavar": "HOST:PORT", "help": f"A Redis, as in asynq: {_URI}."}),
    (("--db", "-n"), {"type": click.IntRange(min=0), "help": "Number of the Redis database: 0."}),
    (("--password", "-p"), {"help": "Password of the Redis."}),
    (("--username", "-U"), {"help": "User of the Redis (ACL)."}),
    (("--cluster",), {"is_flag": True, "help": "The Redis is a cluster."}),
    (("--cluster-addrs", "--cluster_addrs"), {"metavar": "LIST", "help": f"Its nodes: {_CLUSTER}."}),
    (("--tls",), {"is_flag": True, "help": "Speak TLS to the Redis."}),
    (("--tls-server", "--tls_server"), {"metavar": "NAME", "help": "Name in its certificate; implies --tls."}),
    (("--insecure",), {"is_flag": True, "help": "With TLS: trust any certificate."}),
    (("--debug",), {"is_flag": True, "help": "Show a traceback where something fails."}),
)


def connection_options(command: _F) -> _F:
    """Give the root the options that say where the tasks are."""
    for names, settings in reversed(_OPTIONS):
        command = click.option(*names, **settings)(command)
    return command


def add_connection_options(command: click.Command) -> None:
    """Let a command take these options too, as Asynq's do, without showing them again: what is said here counts. Legal twice."""
    taken = {name for param in command.params for name in param.opts}
    for names, settings in _OPTIONS:
        if taken.isdisjoint(names):
            command.params.append(
                click.Option(names, **settings | {"hidden": True, "expose_value": False, "callback": _say})
            )


def _say(context: click.Context, param: click.Parameter, value: object) -> None:
    connection = context.find_root().params
    if _is_said(value) and param.name:
        connection[param.name] = value


def chosen_target(given: Mapping[str, object]) -> Target | str | None:
    """Return what the options mean; None when they say nothing.

    Raises:
        InvalidArgumentError: They contradict each other.
    """
    for name in ("broker", "uri", "cluster_addrs"):
        if given.get(name) == "":  # An unset variable of a shell; nobody means the default file with it.
            raise InvalidArgumentError(f"--{name.replace('_', '-')} is empty; say where the tasks are, or leave it out")
    said = [name for name in _REDIS_ONLY if _is_said(given.get(name))]
    broker = given.get("broker")
    if not said:
        return str(broker) if broker else None
    if broker:
        raise InvalidArgumentError(
            f"--broker says all about where the tasks are, got --{said[0].replace('_', '-')} too; leave one of them out"
        )
    return _redis(given)


def said_with(given: Mapping[str, object]) -> str:
    """Return the option that says where the tasks are, for who is told what chose the broker; the first of them."""
    return next(f"--{name.replace('_', '-')}" for name in ("broker", *_REDIS_ONLY) if _is_said(given.get(name)))


def _is_said(value: object) -> bool:
    return value is not None and value is not False  # 0 is a database.


def _redis(given: Mapping[str, object]) -> Target:
    from asynq_compat.targets import RedisClientOpt, RedisClusterClientOpt
    from asynq_compat.targets.tls import TLSConfig

    def text(name: str, default: str = "") -> str:
        return str(given.get(name) or default)

    tls = None
    if given.get("tls") or text("tls_server"):
        tls = TLSConfig(server_name=text("tls_server"), insecure_skip_verify=bool(given.get("insecure")))
    if given.get("cluster") or text("cluster_addrs"):
        return RedisClusterClientOpt(
            addrs=tuple(text("cluster_addrs", _CLUSTER).split(",")),
            username=text("username"),
            password=text("password"),
            tls_config=tls,
        )
    if "://" in text("uri"):
        raise InvalidArgumentError(f"--uri is a host and a port, such as {_URI}, got a URL; write --broker URL")
    database = given.get("db")
    return RedisClientOpt(
        addr=text("uri", _URI),
        db=database if isinstance(database, int) else 0,
        username=text("username"),
        password=text("password"),
        tls_config=tls,
    )
