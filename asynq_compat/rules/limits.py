"""Which names and numbers does Asynq take, and which of them in silence although hardly anybody means them?

Contract: pure. What is odd is taken all the same, since such values stand in programs that were written for Go; the caller logs the line.
Not obvious: Go's "blank" is narrower than Python's: U+001C to U+001F are ordinary characters there, so one of them alone is a legal task type.
Source: asynq v0.26.0 `isBlank`, Go's `unicode.IsSpace`; docs/semantics.md, "options".
"""

from __future__ import annotations

from collections.abc import Mapping

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
# A Go duration is an int64 of nanoseconds: about 292 years either way.
DURATION_NS_MAX = INT64_MAX
# The instants that a datetime can hold: the years 1 to 9999.
INSTANT_S_MIN = -62_135_596_800
INSTANT_S_MAX = 253_402_300_799

NS_PER_S = 1_000_000_000

# Of one semaphore, on every broker.
TOKEN_COUNT_MAX = 1_000_000

_GO_WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_SHOWN_CHARACTERS_MAX = 80
_LISTED_MAX = 10


def is_blank(text: str) -> bool:
    """Return True for an empty text and one of nothing but what Go calls white space."""
    return not text.strip(_GO_WHITE_SPACE)


def is_utf8(text: str) -> bool:
    """Return True when `text` has a UTF-8 form, that is, no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def truncated_s(duration_ns: int) -> int:
    """Return whole seconds, the fraction cut off towards zero, as Go stores durations."""
    return duration_ns // NS_PER_S if duration_ns >= 0 else -(-duration_ns // NS_PER_S)


def shown(value: object) -> str:
    """Return `value` for an error message: its repr, cut at 80 characters."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - it is the user's __repr__, or a number of too many digits; the error is about another matter
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[: _SHOWN_CHARACTERS_MAX - 1]}…"


def ignored_queues(given: Mapping[str, int], served: Mapping[str, int]) -> str:
    """Return a line about the queues that a configuration names and a server does not serve; "" for none."""
    ignored = {name: priority for name, priority in given.items() if name not in served}
    if not ignored:
        return ""
    why = "a name must not be blank, a priority must be 1 or more"
    return f"queues: ignored are {_listed(ignored)}, since {why}; served are {_listed(served)}"


def replaced(name: str, given: object, used: float) -> str:
    """Return a line about a number below 0 in whose place Asynq takes its default."""
    return f"{name}: {used:g} in place of {shown(given)}, which is less than 0"


def hasty_shutdown(timeout_s: float) -> str:
    """Return a line about a shutdown timeout below 0."""
    return f"shutdown_timeout: {timeout_s:g} s is less than 0, so running tasks are handed back at once when the server ends"


def hopeless_timeout(timeout_s: int) -> str:
    """Return a line about a task's timeout below 0."""
    return f"timeout: {timeout_s} s is less than 0, so every attempt at such a task fails before it begins; leave it out for 30 minutes"


def _listed(queues: Mapping[str, int]) -> str:
    texts = [f"{shown(name)} ({shown(priority)})" for name, priority in queues.items()]
    left_count = len(texts) - _LISTED_MAX
    return ", ".join(texts[:_LISTED_MAX]) + (f" and {left_count} more" if left_count > 0 else "")
