"""How does a Go program of the tests get built?

Contract: a program is a folder with a go.mod below one of `_PARENTS`; its binary is .svc/bin/<folder name>, renewed when a source
changes. Modules come through Go's module proxy, as always.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.services.installing import (
    REPOSITORY,
    SVC,
    ServiceMissingError,
    digest_of,
    install_lock,
    is_made_from,
    need_tool,
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
    folder = programs().get(name)
    if folder is None:
        raise ServiceMissingError(f"no Go program {name!r}; there are {sorted(programs())}")
    binary, stamp = SVC / "bin" / name, SVC / "bin" / f"{name}.made-from"
    digest = digest_of(path for pattern in _SOURCES for path in folder.rglob(pattern))
    if is_made_from(stamp, digest) and binary.exists():
        return binary
    with install_lock(f"go-{name}"):
        if not (is_made_from(stamp, digest) and binary.exists()):
            go = _need_go()
            say(f"building {folder.relative_to(REPOSITORY)} (half a minute the first time)")
            binary.parent.mkdir(parents=True, exist_ok=True)
            run([go, "build", "-o", binary, "."], cwd=folder)
            stamp.write_text(digest)
    return binary


def _need_go() -> Path:
    beside = Path("/usr/local/go/bin/go")
    go = beside if beside.exists() else need_tool("go", "golang-go", "git", "ca-certificates")
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", answer)
    if version is None or (int(version[1]), int(version[2])) < GO_VERSION_MIN:
        wanted = ".".join(map(str, GO_VERSION_MIN))
        raise ServiceMissingError(
            f"Go {wanted} or newer is needed, {go} is {answer.strip() or 'unusable'}; install a newer Go"
        )
    return go
