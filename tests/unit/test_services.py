"""Do the services of the tests say plainly what is missing, and are they quick when all is there?"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import conftest
from tests.services import golang, installing
from tests.services.__main__ import main
from tests.services.disk import LIMIT_BYTES, SmallDisk
from tests.services.installing import ServiceMissingError
from tests.services.ports import HOST
from tests.services.proxy import Proxy
from tests.services.waiting import wait_until


def raise_missing() -> None:
    raise ServiceMissingError("redis-server is missing; install it")


def test_a_tool_that_cannot_be_installed_is_one_line_that_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ServiceMissingError) as caught:
        installing.need_tool("mvn", "maven")

    assert str(caught.value) == "mvn is missing; install it, on Debian: sudo apt-get install maven"


def test_a_missing_service_skips_its_test() -> None:
    with pytest.raises(pytest.skip.Exception, match="redis-server is missing"):
        conftest._or_skip(raise_missing)


def test_an_unknown_service_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mongodb"]) == 2
    assert "mongodb" in capsys.readouterr().err


def test_what_was_made_is_made_anew_only_when_a_source_has_changed(tmp_path: Path) -> None:
    source, stamp = tmp_path / "main.go", tmp_path / "stamp"
    source.write_text("package main")
    stamp.write_text(installing.digest_of([source]))
    assert installing.is_made_from(stamp, installing.digest_of([source]))

    source.write_text("package main // changed")

    assert not installing.is_made_from(stamp, installing.digest_of([source]))


def test_an_unknown_go_program_is_named_beside_those_there_are() -> None:
    with pytest.raises(ServiceMissingError, match="no Go program 'orakel'"):
        golang.build("orakel")


def test_a_wait_in_vain_shows_what_was_seen() -> None:
    with pytest.raises(AssertionError, match=r"the queue to empty: not within 0\.02 s; last seen \[\]"):
        wait_until(list, "the queue to empty", 0.02)


def test_what_a_cut_holds_back_passes_when_it_is_healed(proxied: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, near, far = proxied
    near.sendall(b"one")
    assert far.recv(10) == b"one"

    proxy.cut()
    near.sendall(b"two")
    far.settimeout(0.1)
    with pytest.raises(TimeoutError):
        far.recv(10)
    proxy.heal()

    far.settimeout(5)
    assert far.recv(10) == b"two"


def test_a_lost_answer_ends_its_connection(proxied: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, near, far = proxied
    proxy.lose_answers()
    near.sendall(b"question")
    assert far.recv(10) == b"question"

    far.sendall(b"answer")
    wait_until(lambda: proxy.lost_bytes == len(b"answer"), "the answer to be lost")
    proxy.heal()

    assert near.recv(10) == b""


@pytest.fixture
def proxied() -> Iterator[tuple[Proxy, socket.socket, socket.socket]]:
    """A proxy, and both ends of a connection through it."""
    with socket.create_server((HOST, 0)) as service:
        proxy = Proxy(service.getsockname()[1])
        with socket.create_connection((HOST, proxy.port), timeout=5) as near:
            far, _ = service.accept()
            with far:
                far.settimeout(5)
                yield proxy, near, far
        proxy.close()


def test_a_connection_that_is_dropped_has_ended(proxied: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, near, far = proxied

    proxy.drop()

    assert _is_over(near)
    assert _is_over(far)


def test_a_connection_that_is_half_open_says_nothing(
    proxied: tuple[Proxy, socket.socket, socket.socket],
) -> None:
    proxy, near, far = proxied

    proxy.half_open()
    near.sendall(b"question")
    far.settimeout(0.1)

    with pytest.raises(TimeoutError):
        far.recv(10)


def test_a_slow_network_hands_on_late(proxied: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, near, far = proxied
    proxy.slow_down(0.1)
    began_s = time.monotonic()

    near.sendall(b"question")

    assert far.recv(10) == b"question"
    assert time.monotonic() - began_s >= 0.1


def _is_over(connection: socket.socket) -> bool:
    connection.settimeout(5)
    try:
        return connection.recv(10) == b""
    except ConnectionError:
        return True


_GROW = """
import sys
for _ in sys.stdin:
    try:
        with open(sys.argv[1], "ab", buffering=0) as file:
            file.write(b"x")
    except OSError as error:
        print(error.strerror, flush=True)
    else:
        print("written", flush=True)
"""


def test_where_no_disk_can_be_mounted_files_of_a_process_cannot_grow_and_it_says_so(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", 1_000_000, mounts=False)
    file = disk.folder / "file"
    file.write_bytes(bytes(LIMIT_BYTES))
    command = [sys.executable, "-c", _GROW, str(file)]
    told = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for is_full in (True, False):
            disk.fill([process.pid]) if is_full else disk.free()
            print("grow", file=process.stdin, flush=True)
            told.append(process.stdout.readline())
        process.stdin.close()

    assert told == ["File too large\n", "written\n"]
    assert disk.kind == "a limit on the size of files (not wanted)"
    disk.close()
