"""Do the Lua files keep to the house's form, and do the calls in Python match their headers?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asynq_compat.brokers.redis.scripts import FOLDER, script

SCRIPTS = sorted(FOLDER.glob("*.lua"))
FRAGMENTS = sorted((FOLDER / "fragments").glob("*.lua"))


def header(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[: next(at for at, line in enumerate(lines) if not line.startswith("--"))]


def section(path: Path, name: str) -> list[str]:
    """The numbered lines of a header's section."""
    lines = header(path)
    start = next((at for at, line in enumerate(lines) if line.startswith(f"-- {name} ")), None)
    if start is None:
        return []
    found: list[str] = []
    for line in lines[start:]:
        if found and re.match(r"-- [A-Z]", line):
            break
        if re.match(rf"--( {name}|\s)\s+\d", line):
            found.append(line)
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_opens_with_its_contract(path: Path) -> None:
    lines = header(path)

    assert lines[0].startswith(f"-- {path.stem}: "), "the first line is the transition's name and what it does"
    assert [
        name for name in ("KEYS", "Gives", "Cost") if not any(line.startswith(f"-- {name}") for line in lines)
    ] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_scripts_keys_are_numbered_and_named(path: Path) -> None:
    """The header numbers the keys from 1, and the first line of code gives names to as many, or some of them by number."""
    numbers = [int(re.search(r"\d+", line)[0]) for line in section(path, "KEYS")]  # type: ignore[index]  # found by \d
    body = path.read_text(encoding="utf-8").splitlines()[len(header(path)) :]
    used = {int(number) for number in re.findall(r"KEYS\[(\d+)\]", "\n".join(body))}

    assert numbers == list(range(1, len(numbers) + 1))
    assert used <= set(numbers)
    assert all(line.startswith("local ") for line in body if re.search(r"(KEYS|ARGV)\[\d+\]", line)), (
        "named locals only"
    )


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_reads_no_clock_and_no_chance(path: Path) -> None:
    text = script(path.stem).text

    assert not re.search(r'"TIME"|os\.time|math\.random', text)
    assert "-- include: " not in text


def test_every_fragment_is_used() -> None:
    texts = [path.read_text(encoding="utf-8") for path in SCRIPTS]

    assert [path.stem for path in FRAGMENTS if not any(f"-- include: {path.stem}\n" in text for text in texts)] == []


def test_a_script_is_called_by_its_sha() -> None:
    lease = script("expired_leases")

    command = lease([b"k1"], [b"a"])

    assert command.packed == b"*5\r\n$7\r\nEVALSHA\r\n$40\r\n" + lease.sha + b"\r\n$1\r\n1\r\n$2\r\nk1\r\n$1\r\na\r\n"
    assert command.script is lease


def test_a_call_with_other_keys_than_the_header_numbers_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="take has 4 keys"):
        script("take")([b"k1", b"k2"], [b"a"])
