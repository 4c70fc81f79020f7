"""What is the caller of a writer told whose commands may not have gone out?"""

from __future__ import annotations

from asynq_compat.errors import BrokerUnavailableError


def closed(name: str) -> BrokerUnavailableError:
    """Return the error of a writer that was closed."""
    return BrokerUnavailableError(f"the connection to {name} is closed; nothing was sent")


def no_room(name: str, waiting_bytes: int) -> BrokerUnavailableError:
    """Return the error for a caller that found too much waiting before it."""
    return BrokerUnavailableError(
        f"{name} does not keep up: {waiting_bytes} bytes wait to be written; nothing was sent"
    )


def uncertain(name: str) -> BrokerUnavailableError:
    """Return the error of a frame whose fate was given up."""
    return BrokerUnavailableError(
        f"no answer from {name}; what was sent may or may not be queued", may_have_happened=True
    )


def unanswered(name: str, cause: str, *, may_be_stored: bool) -> BrokerUnavailableError:
    """Return the error for a caller that waits no longer; `cause` is empty or begins with a colon."""
    what = "what was sent may or may not be queued" if may_be_stored else "nothing was sent"
    return BrokerUnavailableError(f"no answer from {name} in time; {what}{cause}", may_have_happened=may_be_stored)
