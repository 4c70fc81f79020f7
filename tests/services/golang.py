"""How does a Go program of the tests get built?

Contract: a program is a folder with a go.mod below one of `_PARENTS`; its binary is .svc/bin/<folder name>, renewed when a source
changes. Modules come through Go's module proxy, as always.
"""

from __future__ import annotations

from pathlib import Path

from tests.services.installing import (
    REPOSITORY,
    SVC,
    check_version,
    digest_of,
    folder_of,
    need_tool,
    renew,
    run,
    say,
)

GO_VERSION_MIN = (1, 26)  # franz-go in tests/interop/produce
_PARENTS = tuple(REPOSITORY / folder for folder in ("tests/interop", "tests/bench", "examples/demo"))
_SOURCES = ("*.go", "go.mod", "go.sum")


def programs() -> dict[str, Path]:
    """Return the Go programs there are, by name."""
    return {file.parent.name: file.parent for parent in _PARENTS for file in parent.glob("*/go.mod")}


def build(name: str) -> Path:
    """Return the path of the built program, building it if a source has changed.

    Raises:
        ServiceMissingError: Go is missing or too old, or the program does not build.
    """
    folder, binary = folder_of("Go", name, programs()), SVC / "bin" / name
    digest = digest_of(path for pattern in _SOURCES for path in folder.rglob(pattern))
    renew(binary, SVC / "bin" / f"{name}.made-from", digest, lambda: _make(folder, binary))
    return binary


def _make(folder: Path, binary: Path) -> None:
    go = go_command()
    say(f"building {folder.relative_to(REPOSITORY)} (half a minute the first time)")
    binary.parent.mkdir(parents=True, exist_ok=True)
    run([go, "build", "-o", binary, "."], cwd=folder)


def go_command() -> Path:
    """Return Go's own program.

    Raises:
        ServiceMissingError: It is missing or too old.
    """
    beside = Path("/usr/local/go/bin/go")
    go = beside if beside.exists() else need_tool("go", "golang-go", "git", "ca-certificates")
    check_version(go, "version", r"go(\d+)\.(\d+)", GO_VERSION_MIN)
    return go
