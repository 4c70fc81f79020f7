"""How does a test get an Apache Kafka of its own?

Contract: `install()` brings the jars through Maven, makes a class archive that halves the start and a formatted data folder to copy;
`KafkaCluster` runs one node (broker and controller) on free loopback ports, `KafkaNodes` three that replicate. Who has been started leads topics.
Not obvious: `broker.session.timeout.ms` is short, or a killed broker takes its first append ten seconds after its return. It is longer than a
busy machine may keep a broker from telling that it lives: it would be sent out of the cluster.
"""

from __future__ import annotations

import base64
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services.installing import (
    SVC,
    digest_of,
    need_tool,
    renew,
    run,
    say,
)
from tests.services.java import need_java
from tests.services.ports import free_ports
from tests.services.process import Process

_HOME = SVC / "kafka"
_LIBS = _HOME / "libs"
_ARCHIVE = _HOME / "kafka.jsa"
_FORMATTED = _HOME / "formatted"
_POM = Path(__file__).parent / "kafka_jars" / "pom.xml"
_CLUSTER_ID = "YXN5bnEtY29tcGF0LTAwMQ"  # any 16 bytes in base64
_LAYOUT = "1"  # raise it when the archive or the formatted folder must be made anew
_JVM = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

# As Java runs without the limit above: slower to begin with, quicker for good. For what measures the broker, too.
ALL_COMPILERS = ("-XX:TieredStopAtLevel=4",)


def install() -> None:
    """Bring what a broker needs, once.

    Raises:
        ServiceMissingError: Java or Maven is missing and cannot be installed from here; the text names the package.
    """
    renew(_HOME, _HOME / "made-from", digest_of([_POM], _LAYOUT), _make)


def _make() -> None:
    need_java()
    maven = need_tool("mvn", "maven")
    shutil.rmtree(_HOME, ignore_errors=True)
    say("fetching Apache Kafka with Maven (44 MB)")
    run(
        [
            maven,
            "-q",
            "-B",
            "-f",
            _POM,
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={_LIBS}",
        ]
    )
    say("formatting a data folder and archiving Kafka's classes")
    _format()
    _archive_classes()


def _format() -> None:
    _FORMATTED.mkdir(parents=True)
    settings = _FORMATTED / "server.properties"
    settings.write_text(_properties(19092, 19093, {}))
    arguments = ("format", "-t", _CLUSTER_ID, "-c", str(settings), "--ignore-formatted")
    run([*_java(), "kafka.tools.StorageTool", *arguments], cwd=_FORMATTED)


def _archive_classes() -> None:
    node = KafkaCluster(jvm=(f"-XX:ArchiveClassesAtExit={_ARCHIVE}",), installed=True)
    node.end()
    node.stop()


def _java(*options: str) -> list[str | Path]:
    # The class path is spelt out: the archive needs the same one every time.
    class_path = ":".join(map(str, sorted(_LIBS.glob("*.jar"))))
    return ["java", *_JVM, *options, "-cp", class_path]


def _properties(broker_port: int, controller_port: int, more: Mapping[str, str]) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": "data",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "broker.heartbeat.interval.ms": "250",
        "broker.session.timeout.ms": "4000",
        "log.cleaner.dedupe.buffer.size": "8388608",
        "log.cleaner.backoff.ms": "1000",
        **more,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


class KafkaCluster(Process):
    """Apache Kafka, one node, on a free loopback port, started by the constructor.

    Attributes:
        bootstrap: "127.0.0.1:<port>".
    """

    name = "kafka"

    def __init__(
        self,
        properties: Mapping[str, str] | None = None,
        *,
        ports: tuple[int, int] | None = None,
        jvm: Sequence[str] = (),
        installed: bool = False,
        starts: bool = True,
    ) -> None:
        """Start it.

        Args:
            properties: Settings of server.properties that differ from ours.
            ports: Of broker and controller; free ones if left out.
            jvm: Options of the Java machine.
            installed: Do not look whether something must be installed.
            starts: False leaves the start to the caller.
        """
        if not installed:
            install()
        broker_port, controller_port = ports or free_ports(2)
        super().__init__(broker_port)
        self.bootstrap = self.addr
        shutil.copytree(_FORMATTED, self.folder, dirs_exist_ok=True)
        (self.folder / "server.properties").write_text(_properties(broker_port, controller_port, properties or {}))
        self._node_id = int((properties or {}).get("node.id", 1))
        archive = (f"-XX:SharedArchiveFile={_ARCHIVE}",) if _ARCHIVE.exists() else ()
        self._command = [*_java(*archive, *jvm), "kafka.Kafka", "server.properties"]
        if starts:
            self.start()

    def command(self) -> Sequence[str | Path]:
        """Return the broker's command line."""
        return self._command

    def is_up(self) -> bool:
        """Return whether the cluster counts it among its brokers: it listens a moment before that, and leads no topic yet."""
        if not super().is_up():
            return False
        try:
            known = AdminClient({"bootstrap.servers": self.addr, "log_level": 0}).list_topics(timeout=1).brokers
        except KafkaException:
            return False
        return self._node_id in known


class GivenCluster:
    """A cluster on the Kafka API that somebody else runs.

    Args:
        brokers: "host:port", or several with commas between them.

    Attributes:
        bootstrap: The first of them; a client finds the others through it.
    """

    def __init__(self, brokers: str) -> None:
        self.bootstrap = brokers.split(",", maxsplit=1)[0].strip()


class KafkaNodes:
    """Three nodes that replicate: what is acknowledged stands on two of them.

    Attributes:
        nodes: By node id less 1.
        bootstrap: The addresses of all.
    """

    def __init__(self) -> None:
        ports = free_ports(6)
        pairs = list(zip(ports[::2], ports[1::2], strict=True))
        voters = ",".join(f"{number}@127.0.0.1:{controller}" for number, (_, controller) in enumerate(pairs, 1))
        self.nodes = [self._node(number, pair, voters) for number, pair in enumerate(pairs, 1)]
        self.bootstrap = tuple(node.bootstrap for node in self.nodes)
        with ThreadPoolExecutor(len(self.nodes)) as starting:  # None of them is up before two are.
            list(starting.map(KafkaCluster.start, self.nodes))

    @staticmethod
    def _node(number: int, ports: tuple[int, int], voters: str) -> KafkaCluster:
        properties = {
            "node.id": str(number),
            "controller.quorum.voters": voters,
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": "3",
            "controller.quorum.election.timeout.ms": "500",
            "controller.quorum.fetch.timeout.ms": "1000",
            "replica.lag.time.max.ms": "3000",
        }
        node = KafkaCluster(properties, ports=ports, starts=False)
        identity = node.folder / "data" / "meta.properties"
        directory_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        text = re.sub(r"node\.id=.*", f"node.id={number}", identity.read_text())
        identity.write_text(re.sub(r"directory\.id=.*", f"directory.id={directory_id}", text))
        return node

    def stop(self) -> None:
        """Kill all and remove their folders."""
        for node in self.nodes:
            node.stop()
