"""What does a failure of Redis mean to a user?

Contract: turns redis-py's exceptions and Redis's error replies into errors of ours that name the address and the cause, and never a
password. Nothing of redis-py passes further.
"""

from __future__ import annotations

import re
import ssl
from typing import TypeVar

from redis import exceptions

from asynq_compat.brokers.redis.commands import Refusal
from asynq_compat.brokers.redis.scripts import script_of
from asynq_compat.errors import AsynqError, BrokerUnavailableError, CorruptDataError, UnsupportedByBroker

_E = TypeVar("_E", bound=BaseException)

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
    (exceptions.ClusterCrossSlotError, "CROSSSLOT"),
)
# As Redis 6, 7.0 and 7.2 put it.
_DENIED_IN_SCRIPT = re.compile(r"executing the script can't|ACL failure in script|@user_script.*no permissions")
_MEANINGS = {
    "DB": "has no database of that number (DB index is out of range); give a lower one or raise its setting databases",
    "LOADING": "is still loading its data into memory; try again in a moment",
    "READONLY": "is a read-only replica; connect to its primary",
    "MASTERDOWN": "is a replica that has lost its primary; connect to the primary",
    "OOM": "takes no more data, its maxmemory is reached (OOM); free some or raise it",
    "NOAUTH": "asks for a password (NOAUTH); give the password of this Redis",
    "WRONGPASS": "does not accept this user name or password; check both",
    "MOVED": "is one node of a cluster; connect with RedisClusterClientOpt, or redis-cluster://host:port",
    "CLUSTERDOWN": "is a cluster that does not serve this queue now (CLUSTERDOWN); are all its masters up?",
    "CROSSSLOT": "is a cluster, where a queue whose name begins with } is in several slots; give it another name",
    "MAXCLIENTS": "has as many clients as it takes (maxclients); close some or raise the limit",
}


class NoHandshakeError(exceptions.TimeoutError):
    """TLS was not answered within the time to connect."""


class NoWelcomeError(exceptions.ConnectionError):
    """The connection ended before the first answer.

    With TLS 1.3 that is the first sign of a client certificate that is asked for, without TLS that of a port that wants TLS.
    """

    def __init__(self, *, has_tls: bool) -> None:
        super().__init__("the connection ended before the first answer")
        self.has_tls = has_tls


class SlowSendError(exceptions.TimeoutError):
    """Not all was sent within the time to send."""


class NoMasterError(exceptions.ConnectionError):
    """No sentinel says where the master is; the text says why."""


class UnknownMasterError(exceptions.RedisError):
    """The sentinels watch no master of this name."""


def refusal_of(error: Exception) -> Refusal:
    """Return the error reply that redis-py made `error` of."""
    text = str(error)
    if "max number of clients" in text:
        return Refusal("MAXCLIENTS", text)
    if isinstance(error, exceptions.AskError):
        code = "MOVED" if isinstance(error, exceptions.MovedError) else "ASK"
        return Refusal(code, f"{code} {text}")
    for kind, code in _CODES:
        if isinstance(error, kind):
            return Refusal("NOAUTH" if code == "WRONGPASS" and "required" in text else code, text)
    if _DENIED_IN_SCRIPT.search(text):
        return Refusal("NOPERM", text)
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
    if refusal.code == "NOPERM":
        return BrokerUnavailableError(
            f"redis at {address} does not allow this user what Asynq needs: {text.removeprefix('NOPERM ')}{_inside(text)}; "
            "docs/redis.md has the ACL of each role"
        )
    if refusal.code in {"DOWN", "LOST"}:  # The link's own, of one node of a cluster.
        return BrokerUnavailableError(refusal.text, may_have_happened=refusal.code == "LOST")
    if refusal.code == "WRONGTYPE" or "user_script" in text or "WRONGTYPE" in text:
        return CorruptDataError(f"a key at redis {address} does not hold what Asynq keeps there: {text}")
    if text.startswith("unknown command"):
        return UnsupportedByBroker(f"redis at {address} is too old or lacks a command: {text}; use Redis 6.2 or newer")
    return BrokerUnavailableError(f"redis at {address} refuses: {refusal.code} {text}")


def _inside(text: str) -> str:
    """Return which commands the script needs that `text` says was not allowed one of them; Redis 7.0 does not say which."""
    sha = re.search(r"script: ([0-9a-f]{40})", text)
    found = script_of(sha[1].encode()) if sha else None
    return f"; the transition {found.name} needs {' '.join(sorted(found.commands))}" if found else ""


def is_passing(error: Exception) -> bool:
    """Return True when sending again may help: the connection broke, or Redis said that it is not ready."""
    if isinstance(error, exceptions.InvalidResponse | UnknownMasterError) or _verification(error):
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
    if isinstance(error, NoMasterError | UnknownMasterError):
        return BrokerUnavailableError(str(error))
    if (broken := _tls(address, error)) is not None:
        return BrokerUnavailableError(broken)
    if isinstance(error, SlowSendError):
        return BrokerUnavailableError(
            f"redis at {address} did not take all that was sent: {error}; it may or may not have happened",
            may_have_happened=True,
        )
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


def _tls(address: str, error: Exception) -> str | None:
    """Return what is said of TLS that did not come about; None where that was not the cause."""
    if (verification := _verification(error)) is not None:
        why = verification.verify_message or str(verification)
        named = "mismatch" in why or "not valid for" in why
        advice = (
            "give the name that stands in it as TLSConfig(server_name=...)"
            if named
            else "renew it"
            if "expired" in why
            else "give its authority as TLSConfig(ca_file=...)"
        )
        return f"redis at {address} shows a certificate that is not trusted: {why.lower().rstrip('.')}; {advice}"
    failure = _inner(error, ssl.SSLError)
    said = "" if failure is None else (failure.reason or str(failure)).lower().replace("_", " ")
    if isinstance(error, NoWelcomeError) and not error.has_tls:
        return f"redis at {address} takes connections and ends them at once; is it shutting down, or a port for TLS? Then write rediss:// or give tls_config"
    if isinstance(error, NoWelcomeError) or "certificate required" in said or "handshake failure" in said:
        return (
            f"redis at {address} ended the connection behind the TLS handshake ({said or 'without a word'}); where it asks "
            "for a certificate of ours, give one that it trusts as TLSConfig(cert_file=..., key_file=...)"
        )
    if failure is None:
        return None
    if "alert" in said:
        return (
            f"redis at {address} does not take our certificate ({said}); is it signed by an authority that it trusts?"
        )
    return f"redis at {address} does not speak TLS there ({said}); is it a port without TLS? Then write redis:// or leave out tls_config"


def _verification(error: Exception) -> ssl.SSLCertVerificationError | None:
    return _inner(error, ssl.SSLCertVerificationError)


def _inner(error: Exception, kind: type[_E]) -> _E | None:
    """Return the first error of this kind in what `error` came from."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, kind):
        inner = inner.__cause__ or inner.__context__
    return inner


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
