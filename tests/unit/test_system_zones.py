"""Which time zone does a name mean?"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from asynq_compat.ports.system_zones import find_zone


def offset(zone: tzinfo) -> timedelta | None:
    return datetime(2025, 7, 1, tzinfo=zone).utcoffset()


def test_no_name_is_utc_and_a_name_is_its_zone() -> None:
    assert find_zone("") is UTC
    assert find_zone("UTC") is UTC
    assert (str(find_zone("Europe/Berlin")), offset(find_zone("Europe/Berlin"))) == (
        "Europe/Berlin",
        timedelta(hours=2),
    )


def test_local_is_the_machines_own() -> None:
    assert offset(find_zone("Local")) is not None


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "Europe/Berlin\0", "e" * 5_000, "\ud800"])
def test_an_unknown_zone_is_refused_in_gos_words(name: str) -> None:
    with pytest.raises(ValueError, match=r"^unknown time zone "):
        find_zone(name)


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/localtime", "\\x", "a/../b"])
def test_a_path_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"^time: invalid location name$"):
        find_zone(name)


def test_zones_are_known_where_the_system_has_none() -> None:
    """The package tzdata has them."""
    code = "from asynq_compat.ports.system_zones import find_zone; print(find_zone('Asia/Tokyo'))"
    environment = {**os.environ, "PYTHONTZPATH": ""}

    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True) == "Asia/Tokyo\n"
