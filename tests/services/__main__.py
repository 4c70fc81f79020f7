"""Installs or builds what the tests start: ``python -m tests.services all|redis|valkey|kafka|go|java``.

Contract: idempotent; quick when everything is there. What is missing is one line each on stderr, exit code 1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from tests.services import golang, java, kafka, redis
from tests.services.installing import ServiceMissingError


def _build_go_programs() -> None:
    for name in golang.programs():
        golang.build(name)


def _build_java_programs() -> None:
    for name in java.programs():
        java.build(name)


STEPS: dict[str, Callable[[], object]] = {
    "redis": redis.install,
    "valkey": redis.install_valkey,
    "kafka": kafka.install,
    "go": _build_go_programs,
    "java": _build_java_programs,
}


def main(arguments: Sequence[str]) -> int:
    """Install the named services, or all; return the exit code."""
    unknown = [name for name in arguments if name not in {*STEPS, "all"}]
    if unknown or not arguments:
        print(f"usage: python -m tests.services all|{'|'.join(STEPS)}; unknown: {unknown}", file=sys.stderr)
        return 2
    names = STEPS if "all" in arguments else arguments
    failed = 0
    for name in names:
        try:
            STEPS[name]()
        except ServiceMissingError as error:
            print(f"services: {name}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
