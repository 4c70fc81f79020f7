"""Do the services of the tests say plainly what is missing, and are they quick when all is there?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests import conftest
from tests.services import golang, installing
from tests.services.__main__ import main
from tests.services.installing import ServiceMissingError
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
