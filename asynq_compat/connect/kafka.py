"""What does `RedpandaOpt` mean for the journals on Kafka?

Contract: checks every field; the password comes from the option, its file or the environment, and shows in no error.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from asynq_compat.connect.checks import are_texts, check_fields, checked_path, timeout_s
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import duration_ns
from asynq_compat.rules.limits import shown
from asynq_compat.targets import RedpandaOpt, TLSConfig
from asynq_compat.targets.redpanda import check_addresses

if TYPE_CHECKING:
    from asynq_compat.journals.journal import JournalStore
    from asynq_compat.journals.kafka.settings import Encryption, Login

LOGIN_VARIABLE = "ASYNQ_COMPAT_BROKER_PASSWORD"

_log = logging.getLogger("asynq_compat")


def kafka_store(opt: RedpandaOpt) -> JournalStore:
    """Return the journals of the cluster; their connections are begun.

    Raises:
        InvalidArgumentError: A field is wrong, or a file of it cannot be used.
    """
    from asynq_compat.journals.kafka.journal import KafkaJournalStore
    from asynq_compat.journals.kafka.settings import KafkaSettings

    texts = dict.fromkeys(
        ("namespace", "client_id", "compression", "driver", "sasl_mechanism", "username", "password"), str
    )
    check_fields(opt, replication_factor=int, **texts)
    if not are_texts(opt.brokers):
        raise InvalidArgumentError(
            f"brokers must be a str or a sequence of them, got {shown(opt.brokers)}; for example RedpandaOpt('localhost:9092')"
        )
    check_addresses(opt.addresses, "RedpandaOpt('localhost:9092')")
    if opt.request_timeout is not None and duration_ns("request_timeout", opt.request_timeout) <= 0:
        raise InvalidArgumentError(
            f"request_timeout must be above 0, got {shown(opt.request_timeout)}; leave it out for 30 seconds an answer"
        )
    within_s = timeout_s("request_timeout", opt.request_timeout, None)
    return KafkaJournalStore(
        KafkaSettings(
            bootstrap=opt.addresses,
            namespace=opt.namespace,
            request_timeout_s=within_s or 30.0,
            connect_timeout_s=within_s,
            replication_factor=opt.replication_factor,
            client_id=opt.client_id,
            compression=opt.compression,
            driver=opt.driver,
            encryption=_encryption(opt.tls_config),
            login=_login(opt, os.environ),
        )
    )


def _encryption(config: TLSConfig | None) -> Encryption | None:
    from asynq_compat.journals.kafka.settings import Encryption

    if config is None:
        return None
    if not isinstance(config, TLSConfig):
        raise InvalidArgumentError(f"tls_config of RedpandaOpt must be a TLSConfig, got {shown(config)}")
    if config.server_name:
        raise InvalidArgumentError(
            f"server_name {shown(config.server_name)} names one server, a cluster has several; leave it out, or set check_hostname=False"
        )
    return Encryption(
        ca_file=config.ca_file,
        cert_file=config.cert_file,
        key_file=config.key_file,
        checks_certificate=not config.insecure_skip_verify,
        checks_host_name=config.check_hostname,
    )


def _login(opt: RedpandaOpt, environment: Mapping[str, str]) -> Login | None:
    from asynq_compat.journals.kafka.settings import MECHANISMS, Login

    if not opt.username:
        if opt.password or opt.password_file or opt.sasl_mechanism:
            raise InvalidArgumentError(
                "a login needs a user name, got none; set username, or write kafka://user:password@host:9092"
            )
        return None
    if opt.password and opt.password_file:
        raise InvalidArgumentError("password and password_file are both given; leave one of them out")
    password = opt.password or _first_line(opt.password_file) or environment.get(LOGIN_VARIABLE, "")
    if not password:
        raise InvalidArgumentError(
            f"user {shown(opt.username)} has no password; give it as password, as password_file, or in the environment as {LOGIN_VARIABLE}"
        )
    mechanism = opt.sasl_mechanism or MECHANISMS[0]
    if mechanism == "PLAIN" and opt.tls_config is None:
        _log.warning("user %s logs in by PLAIN without TLS: the password goes over the network as it is", opt.username)
    return Login(username=opt.username, password=password, mechanism=mechanism)


def _first_line(path: str | os.PathLike[str]) -> str:
    if not path:
        return ""
    try:
        lines = Path(checked_path(path)).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it is no text"
        raise InvalidArgumentError(f"password_file {os.fspath(path)} cannot be read: {cause.lower()}") from None
    if not lines or not lines[0]:
        raise InvalidArgumentError(
            f"password_file {os.fspath(path)} has nothing in its first line; write the password there"
        )
    return lines[0]
