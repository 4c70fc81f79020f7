"""How does a Java program of the tests get built, and which Java runs it?

Contract: a program is a folder with a pom.xml in tests/interop; its main class is `<artifactId>.Main`. What Maven made of
it stands in .svc/java/<folder name>, renewed when a source changes. Libraries and protoc come from Maven Central, as always.
"""

from __future__ import annotations

import os
import re
import shutil
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

VERSION_MIN = 17
_PARENT = REPOSITORY / "tests" / "interop"
_PROTO = REPOSITORY / "proto" / "asynq.proto"
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # halves what Maven and its compiler take


def programs() -> dict[str, Path]:
    """Return the Java programs there are, by name."""
    return {file.parent.name: file.parent for file in _PARENT.glob("*/pom.xml")}


def build(name: str) -> list[str]:
    """Return the command that runs the program, building it if a source has changed.

    Raises:
        ServiceMissingError: Java or Maven is missing, or the program does not build.
    """
    folder = folder_of("Java", name, programs())
    pom, home = folder / "pom.xml", SVC / "java" / name
    digest = digest_of([_PROTO, pom, *folder.rglob("*.java")])
    renew(home, home / "made-from", digest, lambda: _make(pom, home))
    artifact = re.findall(r"<artifactId>(\w+)</artifactId>", pom.read_text())[0]
    classpath = os.pathsep.join([str(home / "classes"), str(home / "libs" / "*")])
    return [
        str(need_java()),
        *_SHORT_LIVED,
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        classpath,
        f"{artifact}.Main",
    ]


def _make(pom: Path, home: Path) -> None:
    need_java()
    need_tool("javac", "default-jdk-headless")
    maven = need_tool("mvn", "maven")
    shutil.rmtree(home, ignore_errors=True)
    say(f"building {pom.parent.relative_to(REPOSITORY)} with Maven (a quarter of a minute the first time)")
    libs = f"-DoutputDirectory={home / 'libs'}"
    # The goals that are needed, not the whole lifecycle: half of what Maven would fetch.
    goals = ("protobuf:compile", "compiler:compile", "dependency:copy-dependencies")
    command: list[str | Path] = [
        maven,
        "-q",
        "-B",
        "-f",
        pom,
        *goals,
        f"-Dbuilt={home}",
        "-DincludeScope=runtime",
        libs,
    ]
    run(command, env={"MAVEN_OPTS": " ".join(_SHORT_LIVED)})


def need_java() -> Path:
    """Return the path of a Java that is new enough.

    Raises:
        ServiceMissingError: There is none and none can be brought; the text names the package.
    """
    java = need_tool("java", "default-jre-headless")
    check_version(java, "-version", r'version "(\d+)', (VERSION_MIN,))
    return java
