"""Does a program get into a cluster that asks for TLS or a login, and is it told why when it does not?"""

from __future__ import annotations

import time

import pytest

from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.journals.journal import CONTROL
from asynq_compat.journals.kafka.journal import KafkaJournalStore
from asynq_compat.journals.kafka.settings import DRIVERS, MECHANISMS, Encryption, KafkaSettings, Login
from tests.services.kafka_secure import USERS, SecureKafka
from tests.unit.journals.contract import data_of, read_all

WRONG = "s3cret-and-wr0ng"
# No broker that knows why it refuses us keeps us waiting as long as a connection may take.
TOLD_WITHIN_S, CONNECT_S = 30.0, 120.0


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Door:
    """Tries a way into the cluster: lets a frame through and back, or hears why not."""

    def __init__(self, namespace: str, driver: str) -> None:
        self._namespace = namespace
        self._driver = driver

    def _store(self, address: str, encryption: Encryption | None, login: Login | None) -> KafkaJournalStore:
        return KafkaJournalStore(
            KafkaSettings(
                bootstrap=(address,),
                namespace=self._namespace,
                driver=self._driver,
                encryption=encryption,
                login=login,
                connect_timeout_s=CONNECT_S,
            )
        )

    def enter(self, address: str, encryption: Encryption | None = None, login: Login | None = None) -> None:
        store = self._store(address, encryption, login)
        journal = store.open(CONTROL)
        position = journal.append(b"through the door")
        assert data_of(read_all(journal, 1, after=position - 1)) == [b"through the door"]
        store.close()

    def refusal(self, address: str, encryption: Encryption | None = None, login: Login | None = None) -> str:
        started = time.monotonic()
        store = self._store(address, encryption, login)
        with pytest.raises(BrokerUnavailableError) as caught:
            store.open(CONTROL)
        store.close()
        assert time.monotonic() - started < TOLD_WITHIN_S
        assert address in str(caught.value)
        assert WRONG not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def door(kafka_namespace: str, driver: str) -> Door:
    return Door(kafka_namespace, driver)


def test_tls_with_the_clusters_authority_lets_in(secure_kafka: SecureKafka, door: Door) -> None:
    door.enter(secure_kafka.tls, Encryption(ca_file=str(secure_kafka.certificates.ca)))


@pytest.mark.parametrize("has_file", [True, False])
def test_a_certificate_of_another_authority_is_refused(secure_kafka: SecureKafka, door: Door, has_file: bool) -> None:
    other = str(secure_kafka.certificates.other_ca) if has_file else ""

    said = door.refusal(secure_kafka.tls, Encryption(ca_file=other))

    assert f"its certificate is not trusted by {other or 'the system'}" in said


def test_a_certificate_for_another_host_name_is_refused_unless_names_are_not_checked(
    secure_kafka: SecureKafka, door: Door
) -> None:
    by_name = secure_kafka.tls.replace("127.0.0.1", "localhost")

    said = door.refusal(by_name, Encryption(ca_file=str(secure_kafka.certificates.ca)))

    assert "certificate is not" in said or "certificate verify failed" in said
    door.enter(by_name, Encryption(ca_file=str(secure_kafka.certificates.ca), checks_host_name=False))


def test_any_certificate_will_do_where_none_is_checked(secure_kafka: SecureKafka, door: Door) -> None:
    door.enter(secure_kafka.tls, Encryption(checks_certificate=False))


def test_a_cluster_that_asks_for_our_certificate_gets_it(secure_kafka: SecureKafka, door: Door) -> None:
    certificates = secure_kafka.certificates
    ours = Encryption(
        ca_file=str(certificates.ca), cert_file=str(certificates.client), key_file=str(certificates.client_key)
    )

    door.enter(secure_kafka.mtls, ours)


def test_a_cluster_that_asks_for_our_certificate_in_vain_says_so(secure_kafka: SecureKafka, door: Door) -> None:
    said = door.refusal(secure_kafka.mtls, Encryption(ca_file=str(secure_kafka.certificates.ca)))

    assert "it does not take our certificate, none" in said


def test_tls_at_a_plain_port_says_so(secure_kafka: SecureKafka, door: Door) -> None:
    said = door.refusal(secure_kafka.bootstrap, Encryption(ca_file=str(secure_kafka.certificates.ca)))

    assert "it does not speak TLS there" in said


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("encrypts", [False, True])
def test_a_user_with_the_right_password_gets_in(
    secure_kafka: SecureKafka, door: Door, mechanism: str, encrypts: bool
) -> None:
    address = secure_kafka.sasl_tls if encrypts else secure_kafka.sasl
    encryption = Encryption(ca_file=str(secure_kafka.certificates.ca)) if encrypts else None

    door.enter(address, encryption, Login(username="admin", password=USERS["admin"], mechanism=mechanism))


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("username", ["admin", "nobody"])
def test_a_wrong_password_or_user_is_told_at_once_by_name_and_never_the_password(
    secure_kafka: SecureKafka, door: Door, mechanism: str, username: str
) -> None:
    said = door.refusal(secure_kafka.sasl, None, Login(username=username, password=WRONG, mechanism=mechanism))

    assert f"{secure_kafka.sasl}: the login of user {username} by {mechanism} was refused" in said


def test_a_login_where_none_is_expected_says_so(secure_kafka: SecureKafka, door: Door) -> None:
    said = door.refusal(secure_kafka.bootstrap, None, Login(username="admin", password=USERS["admin"]))

    assert "it expects no login there" in said
