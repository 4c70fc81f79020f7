"""How does a test get a Redis Cluster?

Contract: three masters, each with a third of the slots and none with a replica; ready when each says that all is well. Nodes are processes of
ours, and keep what they know in their folders; with `durable` also the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import redis

from tests.services.certificates import Certificates
from tests.services.ports import HOST, free_ports
from tests.services.redis import RedisServer
from tests.services.redis_secure import tls_files
from tests.services.waiting import wait_until

SLOT_COUNT = 16_384
_READY_WITHIN_S = 60.0


class ClusterNode(RedisServer):
    """One node. A cluster's nodes talk to each other at a port of their own."""

    name = "cluster"

    def __init__(
        self,
        *,
        durable: bool = False,
        certificates: Certificates | None = None,
        password: str | None = None,
    ) -> None:
        (self.bus_port,) = free_ports(1)
        self.certificates = certificates
        self.password = password
        super().__init__(durable=durable)

    def command(self) -> Sequence[str | Path]:
        """Return the node's command line."""
        cluster = ("--cluster-enabled", "yes", "--cluster-port", str(self.bus_port), "--cluster-node-timeout", "3000")
        at_once = ("--repl-diskless-sync-delay", "0")  # A replica is not kept waiting for others.
        login = ("--requirepass", self.password, "--masterauth", self.password) if self.password else ()
        if self.certificates is None:
            return [*super().command(), *cluster, *at_once, *login]
        files = [part for name, value in tls_files(self.certificates).items() for part in (f"--{name}", value)]
        tls = ("--port", "0", "--tls-port", str(self.port), "--tls-cluster", "yes", "--tls-replication", "yes")
        return [*super().command(), *cluster, *at_once, *login, *tls, *files]

    def connect(self) -> redis.Redis:
        """Return a client of this node, and it alone."""
        ca = str(self.certificates.ca) if self.certificates else None
        return redis.Redis(HOST, self.port, password=self.password, ssl=ca is not None, ssl_ca_certs=ca)

    def say(self, *words: object) -> object:
        """Ask this node, and it alone."""
        with self.connect() as connection:
            return connection.execute_command(*words)

    def role(self) -> str:
        """Return "master", or "slave:up" when it follows one."""
        with self.connect() as connection:
            found: dict[str, str] = connection.info("replication")
        return ":".join(filter(None, (found["role"], found.get("master_link_status"))))

    def offset(self) -> int:
        """Return how much it has written or heard."""
        with self.connect() as connection:
            return int(connection.info("replication")["master_repl_offset"])


class RedisCluster:
    """Three nodes.

    Attributes:
        nodes: The nodes.
        addrs: Their addresses.
    """

    def __init__(
        self, *, durable: bool = False, certificates: Certificates | None = None, password: str | None = None
    ) -> None:
        """Start it.

        Args:
            durable: Data survive the restart of a node.
            certificates: Where it speaks TLS, and nothing else.
            password: Of the user `default`.
        """
        self.nodes = [ClusterNode(durable=durable, certificates=certificates, password=password) for _ in range(3)]
        self.addrs = [node.addr for node in self.nodes]
        first = self.nodes[0]
        for at, node in enumerate(self.nodes):
            last = SLOT_COUNT * (at + 1) // 3 - 1
            node.say("CLUSTER", "ADDSLOTSRANGE", SLOT_COUNT * at // 3, last)
            node.say("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
            if node is not first:
                first.say("CLUSTER", "MEET", HOST, node.port, node.bus_port)
        self.wait_until_ok()

    def wait_until_ok(self) -> None:
        """Return when all nodes know each other and say that the cluster serves every slot."""
        count = len(self.nodes)
        wait_until(lambda: all(_is_ok(node, count) for node in self.nodes), "the cluster to be ready", _READY_WITHIN_S)

    def add_replica(self, master: ClusterNode) -> ClusterNode:
        """Add a node that follows `master`, and return it when it does; it is the last of `nodes` then."""
        replica = ClusterNode(durable=True)
        for node in self.nodes:  # All of them, so that nobody waits for gossip.
            node.say("CLUSTER", "MEET", HOST, replica.port, replica.bus_port)
        self.nodes.append(replica)
        self.wait_until_ok()
        replica.say("CLUSTER", "REPLICATE", master.say("CLUSTER", "MYID"))
        wait_until(lambda: replica.role() == "slave:up", "the replica to follow", _READY_WITHIN_S)
        return replica

    def connections(self) -> list[redis.Redis]:
        """Return a client of each node by itself."""
        return [node.connect() for node in self.nodes]

    def node_of(self, key: str) -> ClusterNode:
        """Return the node that has a key."""
        slot = self.nodes[0].say("CLUSTER", "KEYSLOT", key)
        assert isinstance(slot, int)
        return next(node for at, node in enumerate(self.nodes) if slot < SLOT_COUNT * (at + 1) // 3)

    def stop(self) -> None:
        """Kill all nodes and remove their folders. Legal twice."""
        for node in self.nodes:
            node.stop()


def _is_ok(node: ClusterNode, count: int) -> bool:
    said = node.say("CLUSTER", "INFO")
    text = said if isinstance(said, bytes) else str(said).encode()
    return b"cluster_state:ok" in text and b"cluster_known_nodes:%d\r" % count in text
