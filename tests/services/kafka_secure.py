"""How does a test get an Apache Kafka with TLS, logins and rights?

Contract: `SecureKafka` is one node with a listener for each way in. Its PLAINTEXT listener and the TLS one that asks for no certificate
may do everything; who logs in may do what `allow` says, `admin` all. Certificates are made anew by openssl, below the node's folder.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.services.certificates import Certificates
from tests.services.kafka import KafkaCluster
from tests.services.ports import HOST, free_ports
from tests.services.waiting import wait_until

_LISTENERS = {"SASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL", "TLS": "SSL", "MTLS": "SSL"}
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
USERS = {"admin": "adm1n-pw", "alice": "al1ce-pw", "bob": "b0b-pw", "carol": "car0l-pw"}


class SecureKafka(KafkaCluster):
    """Apache Kafka, one node, with every way to get in.

    Attributes:
        sasl, sasl_tls, tls, mtls: Addresses; `mtls` asks for a client's certificate.
        certificates: What TLS needs.
    """

    def __init__(self) -> None:
        broker, controller, *others = free_ports(2 + len(_LISTENERS))
        self.sasl, self.sasl_tls, self.tls, self.mtls = (f"{HOST}:{port}" for port in others)
        requests_too = "-Dorg.slf4j.simpleLogger.log.kafka.request.logger=debug"  # With the client id of each.
        super().__init__(
            self._properties(broker, controller, others), ports=(broker, controller), jvm=(requests_too,), starts=False
        )
        self.certificates = Certificates(self.folder / "tls")
        self.start()
        self._add_users()

    @staticmethod
    def _properties(broker: int, controller: int, others: Iterable[int]) -> dict[str, str]:
        named = [f"{name}://{HOST}:{port}" for name, port in zip(_LISTENERS, others, strict=True)]
        plain = f"PLAINTEXT://{HOST}:{broker}"
        passwords = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
        logins = {
            f"listener.name.{listener}.{mechanism}.sasl.jaas.config": login
            for listener in ("sasl", "sasltls")
            for mechanism, login in (
                ("plain", f"{_PLAIN} {passwords};"),
                ("scram-sha-256", _SCRAM),
                ("scram-sha-512", _SCRAM),
            )
        }
        return {
            "listeners": ",".join([plain, f"CONTROLLER://{HOST}:{controller}", *named]),
            "advertised.listeners": ",".join([plain, *named]),
            "listener.security.protocol.map": ",".join(
                ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", *(f"{name}:{way}" for name, way in _LISTENERS.items())]
            ),
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": "tls/server.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "tls/ca.crt",
            "listener.name.mtls.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:admin;User:CN=client",
            "allow.everyone.if.no.acl.found": "false",
            **logins,
        }

    def _add_users(self) -> None:
        from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

        admin = KafkaAdminClient(bootstrap_servers=[self.bootstrap])
        for mechanism in (
            ScramMechanism.SCRAM_SHA_256,
            ScramMechanism.SCRAM_SHA_512,
        ):  # Kafka takes a user once a request.
            wanted = [UserScramCredentialUpsertion(name, mechanism, password) for name, password in USERS.items()]
            assert not any(admin.alter_user_scram_credentials(wanted).values())
        admin.close()

    def allow(self, user: str, topic_prefix: str, *operations: str) -> None:
        """Let a user do something with every topic whose name begins like that."""
        from kafka.admin import (
            ACL,
            ACLOperation,
            ACLPermissionType,
            ACLResourcePatternType,
            KafkaAdminClient,
            ResourcePattern,
            ResourceType,
        )

        pattern = ResourcePattern(ResourceType.TOPIC, topic_prefix, ACLResourcePatternType.PREFIXED)
        admin = KafkaAdminClient(bootstrap_servers=[self.bootstrap])
        wanted = [ACL(f"User:{user}", "*", ACLOperation[name], ACLPermissionType.ALLOW, pattern) for name in operations]
        admin.create_acls(wanted)
        # The controller has them; the broker that decides hears of them a little later.
        wait_until(lambda: all(admin.describe_acls(acl)[0] for acl in wanted), f"the rights of {user}", 30)
        admin.close()

    def forbid(self, user: str) -> None:
        """Take from a user all that was allowed."""
        from kafka.admin import (
            ACLFilter,
            ACLOperation,
            ACLPermissionType,
            ACLResourcePatternType,
            KafkaAdminClient,
            ResourcePatternFilter,
            ResourceType,
        )

        anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
        rights = ACLFilter(f"User:{user}", None, ACLOperation.ANY, ACLPermissionType.ANY, anything)
        admin = KafkaAdminClient(bootstrap_servers=[self.bootstrap])
        admin.delete_acls([rights])
        wait_until(lambda: not admin.describe_acls(rights)[0], f"{user} to have no right", 30)
        admin.close()
