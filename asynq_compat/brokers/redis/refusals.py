"""What does a failure of Redis mean to a user?

Contract: turns redis-py's exceptions and Redis's error replies into errors of ours that name the address and the cause, and never a
password. Nothing of redis-py passes further.
"""

from __future__ import annotations

from redis import exceptions

from asynq_compat.brokers.redis.commands import Refusal
from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, UnsupportedByBroker

# Replies after which the same command may soon be answered: those that go-redis sends again for.
PASSING = frozenset({"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MAXCLIENTS"})
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.NoScriptError, "NOSCRIPT"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.TryAgainError, "TRYAGAIN"),
    (exceptions.MaxConnectionsError, "MAXCLIENTS"),
    (exceptions.AuthenticationError, "WRONGPASS"),
)
_MEANINGS = {
    "DB": "has no database of that number (DB index is out of range); give a lower one or raise its setting databases",
    "LOADING": "is still loading its data into memory; try again in a moment",
    "READONLY": "is a read-only replica; connect to its primary",
    "MASTERDOWN": "is a replica that has lost its primary; connect to the primary",
    "OOM": "takes no more data, its maxmemory is reached (OOM); free some or raise it",
    "NOAUTH": "asks for a password (NOAUTH); give the password of this Redis",
    "WRONGPASS": "does not accept this user name or password; check both",
    "NOPERM": "does not allow this user what Asynq needs (NOPERM); check its ACL",
    "MAXCLIENTS": "has as many clients as it takes (maxclients); close some or raise the limit",
}


class NoHandshakeError(exceptions.TimeoutError):
    """TLS was not answered within the time to connect."""


def refusal_of(error: Exception) -> Refusal:
    """Return the error reply that redis-py made `error` of."""
    text = str(error)
    if "max number of clients" in text:
        return Refusal("MAXCLIENTS", text)
    for kind, code in _CODES:
        if isinstance(error, kind):
            return Refusal("NOAUTH" if code == "WRONGPASS" and "required" in text else code, text)
    # Redis before 7 wraps what a command inside a script answered.
    for code in ("OOM", "READONLY", "NOAUTH"):
        if f"-{code} " in text or text.startswith(f"{code} "):
            return Refusal(code, text)
    code = text.split(" ", 1)[0]
    return Refusal(code if code.isupper() and code.isalpha() else "ERR", text)


def refused(address: str, refusal: Refusal) -> AsynqError:
    """Return the error that stands for an error reply."""
    if refusal.code in _MEANINGS:
        return BrokerUnavailableError(f"redis at {address} {_MEANINGS[refusal.code]}")
    text = refusal.text[:200]
    if refusal.code == "WRONGTYPE" or "user_script" in text or "WRONGTYPE" in text:
        return CorruptDataError(f"a key at redis {address} does not hold what Asynq keeps there: {text}")
    if text.startswith("unknown command"):
        return UnsupportedByBroker(f"redis at {address} is too old or lacks a command: {text}; use Redis 6.2 or newer")
    return BrokerUnavailableError(f"redis at {address} refuses: {refusal.code} {text}")


def is_passing(error: Exception) -> bool:
    """Return True when sending again may help: the connection broke, or Redis said that it is not ready."""
    if isinstance(error, exceptions.InvalidResponse):
        return False
    return not _is_reply(error) or refusal_of(error).code in PASSING


def _is_reply(error: Exception) -> bool:
    """Return True for what Redis answered; redis-py makes broken connections of some answers."""
    kinds = exceptions.ResponseError | exceptions.AuthenticationError | exceptions.BusyLoadingError
    return isinstance(error, kinds) or "max number of clients" in str(error)


def unavailable(
    address: str, error: Exception, *, was_sent: bool, dial_timeout_s: float, read_timeout_s: float | None
) -> AsynqError:
    """Return the error that stands for an outage.

    Args:
        address: Where Redis should be.
        error: What redis-py or the socket raised.
        was_sent: True when the request had left: it may have happened.
        dial_timeout_s: How long connecting may take.
        read_timeout_s: How long an answer may take.
    """
    if isinstance(error, exceptions.InvalidResponse | UnicodeDecodeError):
        return BrokerUnavailableError(f"what answers at {address} does not speak Redis's protocol; check host and port")
    if _is_reply(error):
        return refused(address, refusal_of(error))
    if isinstance(error, NoHandshakeError):
        return BrokerUnavailableError(
            f"{address} takes connections but did not answer TLS within {dial_timeout_s:g} s; is it a port without TLS? "
            "Then write redis:// or leave out tls_config"
        )
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        if was_sent:
            return BrokerUnavailableError(
                f"no answer from redis at {address} within {read_timeout_s:g} s; what was asked may or may not have happened",
                may_have_happened=True,
            )
        return BrokerUnavailableError(
            f"no connection to redis at {address} within {dial_timeout_s:g} s; check host, port and firewall"
        )
    if was_sent:
        return BrokerUnavailableError(
            f"the connection to redis at {address} broke before the answer; what was asked may or may not have happened",
            may_have_happened=True,
        )
    return BrokerUnavailableError(
        f"redis at {address} cannot be reached: {_cause(error)}; is it running, and is this its address?"
    )


def direct_cause(error: Exception) -> BaseException:
    """Return the socket's own error, else redis-py's, without the chain that redis-py puts around it."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and not isinstance(inner, exceptions.RedisError):
            break
        inner = inner.__cause__ or inner.__context__
    cause = error if inner is None else inner
    cause.__cause__ = cause.__context__ = None
    return cause


def _cause(error: Exception) -> str:
    """Return the socket's own words, lower case, without redis-py's frame."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and not isinstance(inner, exceptions.RedisError) and inner.strerror:
            return inner.strerror.lower()
        inner = inner.__cause__ or inner.__context__
    return str(error).strip(". ").lower()[:120]
