"""How does a tool or a package that a service needs get onto this machine?

Contract: idempotent and quick when all is there. What cannot be had raises `ServiceMissingError` with one line that names the
package to install. Long work says on stderr what it does. Two processes may install at once: a file lock lets one wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SVC = REPOSITORY / ".svc"


class ServiceMissingError(Exception):
    """A service cannot be started on this machine; the text names the package to install."""


def say(text: str) -> None:
    """Tell the user what takes time now."""
    print(f"services: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def install_lock(name: str) -> Iterator[None]:
    """Let one process at a time install `name`."""
    SVC.mkdir(exist_ok=True)
    with (SVC / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest_of(paths: Iterable[Path], *salt: str) -> str:
    """Return a digest of names and contents: what was made from them is stale when it changes."""
    digest = hashlib.sha256("\0".join(salt).encode())
    for path in sorted(paths):
        digest.update(f"\0{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_made_from(stamp: Path, digest: str) -> bool:
    """Say whether `stamp` remembers this digest."""
    return stamp.exists() and stamp.read_text() == digest


def renew(made: Path, stamp: Path, digest: str, make: Callable[[], object]) -> None:
    """Make something below .svc anew if it is not there or was made from something else; one process at a time does.

    Args:
        made: What is there afterwards.
        stamp: Remembers what it was made from.
        digest: Of what it is to be made from.
        make: Makes it.
    """

    def is_done() -> bool:
        return made.exists() and is_made_from(stamp, digest)

    if not is_done():
        with install_lock("-".join(made.relative_to(SVC).parts)):
            if not is_done():
                make()
                stamp.write_text(digest)


def folder_of(kind: str, name: str, programs: Mapping[str, Path]) -> Path:
    """Return the folder of a program of the tests.

    Raises:
        ServiceMissingError: There is no such program; the text names those that there are.
    """
    if name not in programs:
        raise ServiceMissingError(f"no {kind} program {name!r}; there are {sorted(programs)}")
    return programs[name]


def check_version(tool: Path, question: str, pattern: str, at_least: tuple[int, ...]) -> None:
    """Make sure that a tool is new enough.

    Args:
        tool: Its path.
        question: The argument that makes it tell its version.
        pattern: Finds the numbers of the version in what it says.
        at_least: The oldest that will do.

    Raises:
        ServiceMissingError: It is older, or says something else.
    """
    asked = subprocess.run([tool, question], capture_output=True, text=True, check=False)
    said = asked.stdout + asked.stderr
    found = re.search(pattern, said)
    if found is None or tuple(map(int, found.groups())) < at_least:
        wanted, told = ".".join(map(str, at_least)), said.splitlines()[:1]
        raise ServiceMissingError(f"{tool.name} {wanted} or newer is needed, {tool} is {told}; install a newer one")


def run(command: Sequence[str | Path], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """Run a command of an installation; its output appears only when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise ServiceMissingError(f"`{' '.join(map(str, command))}` failed with {done.returncode}:\n{tail}")


def need_tool(tool: str, *packages: str) -> Path:
    """Return the path of a program, installing its Debian packages where we are root.

    Raises:
        ServiceMissingError: It is not here and cannot be installed from here.
    """
    if found := shutil.which(tool):
        return Path(found)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        apt_install(packages)
        if found := shutil.which(tool):
            return Path(found)
    raise ServiceMissingError(f"{tool} is missing; install it, on Debian: sudo apt-get install {' '.join(packages)}")


def apt_install(packages: Sequence[str]) -> None:
    """Install Debian packages without their recommendations and without starting a service."""
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    say(f"installing {' '.join(packages)} with apt-get")
    _apt_update()
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=quiet)


@functools.cache
def _apt_update() -> None:
    run(["apt-get", "update", "-qq"])
