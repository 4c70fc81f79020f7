"""Where do the figures stand, so that one part can be measured again without the others?

Contract: one JSON file; a part is replaced as a whole. Each says when, where and with what it was measured. `Figures` reads medians.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sqlite3
import statistics
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.measure import Figure

FILE = Path("docs/benchmarks/results.json")
# Job and who did it, in one text, since JSON has no other keys.
Rounds = dict[str, list[Figure]]


def key(job: str, who: str) -> str:
    """Return under which name figures stand."""
    return f"{job} | {who}"


def load() -> dict[str, Any]:
    """Return all parts."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def save(parts: dict[str, Any]) -> None:
    """Store all parts."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(parts, indent=1, sort_keys=True) + "\n")


def part(command: str, rounds: int, figures: Rounds, loads: Iterable[float]) -> dict[str, Any]:
    """Return what is stored of one part."""
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "command": command,
        "rounds": rounds,
        "loads": [round(load, 1) for load in loads],
        "machine": _machine(),
        "figures": {name: [_rounded(one) for one in values] for name, values in figures.items()},
    }


def _rounded(figure: Figure) -> Figure:
    return {name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in figure.items()}


def _machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    described = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    libraries = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("kafka-python", "confluent-kafka", "redis")
    )
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {platform.system()}, "
        f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}, commit {described or '?'}"
    )


class Figures:
    """Medians of one part."""

    def __init__(self, stored: dict[str, Any]) -> None:
        self.stored = stored
        self._figures: Rounds = stored["figures"]

    def has(self, job: str, who: str) -> bool:
        """Say whether that was measured."""
        return key(job, who) in self._figures

    def median(self, job: str, who: str, what: str) -> float:
        """Return the median over the rounds of one value."""
        return statistics.median(float(one[what]) for one in self._figures[key(job, who)])

    def cpu_us(self, job: str, who: str) -> float:
        """Return the median CPU microseconds per task of all processes."""
        return statistics.median(
            sum(float(one[name]) for name in ("own_us", "server_us", "producer_us", "broker_us") if name in one)
            for one in self._figures[key(job, who)]
        )

    def stages(self, job: str, who: str) -> dict[str, float]:
        """Return the medians by stage."""
        rounds: list[dict[str, float]] = [one["stages_us"] for one in self._figures[key(job, who)]]
        names = dict.fromkeys(name for one in rounds for name in one)
        return {name: statistics.median(one.get(name, 0.0) for one in rounds) for name in names}
