"""Which time zone does a name mean?

Contract: reads the system's zones, or those of the package tzdata where the system has none. Refuses with Go's words.
Source: Go's `time.LoadLocation`.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

_LOCAL = Path("/etc/localtime")


def find_zone(name: str) -> tzinfo:
    """Return the zone called `name`, such as "Europe/Berlin"; "" is UTC, "Local" the machine's own.

    Raises:
        ValueError: There is none.
    """
    if name in {"", "UTC"}:
        return UTC
    if name == "Local":
        return _local_zone()
    if name.startswith(("/", "\\")) or ".." in name:
        raise ValueError("time: invalid location name")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name}") from None


def _local_zone() -> tzinfo:
    try:
        with _LOCAL.open("rb") as file:
            return ZoneInfo.from_file(file, key="Local")
    except (OSError, ValueError):
        return UTC
