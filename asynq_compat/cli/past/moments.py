"""Which moment does an operator mean?

Contract: digits are a position; anything else is an ISO 8601 time with its offset.
"""

from __future__ import annotations

from datetime import datetime

import click

_ADVICE = "write a position (1042) or a time with its offset (2026-01-31T08:00:00Z)"


class MomentType(click.ParamType[int | datetime]):
    """A parameter that is a position or a time."""

    name = "POSITION|TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        """Return what was meant."""
        text = str(value).strip()
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither; {_ADVICE}", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{text!r} has no offset; {_ADVICE}", param, ctx)
        return moment


MOMENT = MomentType()
