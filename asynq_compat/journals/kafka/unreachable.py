"""Why does a cluster not let us in?

Contract: says of each address what the client library has heard there, or asks the address itself where that library keeps silent.
The answer names addresses, causes and the user, never a password.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence

from asynq_compat.errors import AsynqError, BrokerUnavailableError, InvalidArgumentError
from asynq_compat.journals.kafka.settings import KafkaSettings
from asynq_compat.journals.kafka.topics import MESSAGE_BYTES_MAX

WARN_AFTER_S = 3.0
NO_LOGIN = "it expects no login there; is this its port for SASL?"
_PROBE_TIMEOUT_S = 1.0
_SAID_MAX = 200
_TAKES_CONNECTIONS = (
    "takes connections but does not answer as a Kafka broker; is this its port, does it expect TLS or a login?"
)
_CODEC_PACKAGES = {"snappy": "python-snappy", "lz4": "lz4", "zstd": "zstandard"}


class BrokersStartingError(BrokerUnavailableError):
    """The brokers are registered, and none of them is up: a topic can be made soon."""


def why_unreachable(addresses: Sequence[str], heard: Mapping[str, str] | None = None) -> str:
    """Return one cause for each "host:port": the one that was heard there, else what a probe finds."""
    known = heard or {}
    return "; ".join(f"{address}: {known.get(address) or _cause(address)}" for address in addresses)


def login_refused(settings: KafkaSettings, said: str) -> str:
    """Return the cause when a broker did not take our login."""
    login = settings.login
    who = f"user {login.username} by {login.mechanism}" if login else "nobody"
    return f"the login of {who} was refused ({said[:_SAID_MAX]}); check the name, the password and sasl_mechanism"


def tls_failed(settings: KafkaSettings, said: str) -> str:
    """Return the cause when TLS did not come about; `said` is OpenSSL's text, in whatever wrapping."""
    encryption, text = settings.encryption, said.lower()
    said = said[:_SAID_MAX]
    if "verify failed" in text or "not verified" in text:
        trusted = (encryption and encryption.ca_file) or "the system's authorities"
        return f"its certificate is not trusted by {trusted} ({said}); is that the cluster's authority, and the name the certificate's?"
    if "alert" in text:
        shown = (encryption and encryption.cert_file) or "none"
        return (
            f"it does not take our certificate, {shown} ({said}); set cert_file and key_file to what the cluster trusts"
        )
    return f"it does not speak TLS there ({said}); is this its port for TLS?"


def right_needed(settings: KafkaSettings, topic: str, operation: str) -> str:
    """Return what a user may not do with a topic, and who gives the right; `operation` is rpk's word for it."""
    user = settings.login.username if settings.login else "ANONYMOUS"
    right = f"--allow-principal User:{user} --operation {operation} --topic {topic}"
    return (
        f"user {user} may not {operation.replace('_', ' ')} topic {topic} of {settings.address}; give it the right with "
        f"`rpk security acl create {right}` or `kafka-acls.sh --bootstrap-server {settings.bootstrap[0]} --add "
        f"{right.replace(operation, operation.title().replace('_', ''), 1)}`"
    )


def topic_gone(settings: KafkaSettings, topic: str) -> str:
    """Return what is said of a topic that was there before."""
    return (
        f"topic {topic} of {settings.address} is not there any more: somebody deleted it, and all that stood in it. "
        "The next client or server that starts makes it anew, empty, and this program goes on with that one"
    )


def in_plain_words(settings: KafkaSettings, name: str, said: str, *, is_silence: bool) -> str:
    """Return why there was no answer; `name` and `said` are the library's, `is_silence` where they tell of nothing but that."""
    if not is_silence:
        said = said.removeprefix(f"{name}: ")
        return f"{name}: {said}"[:_SAID_MAX]
    causes = {address: _cause(address) for address in settings.bootstrap}
    if all(cause != _TAKES_CONNECTIONS for cause in causes.values()):
        return f"no broker can be reached: {why_unreachable(settings.bootstrap, causes)}"
    return f"the brokers said nothing for {settings.request_timeout_s:g} s"


def too_old(settings: KafkaSettings, said: str) -> str:
    """Return what is said of brokers that lack a feature."""
    return (
        f"the brokers at {','.join(settings.bootstrap)} lack a feature that a journal needs ({said[:_SAID_MAX]}); "
        "use Apache Kafka 2.4 or later, or Redpanda 23.2 or later"
    )


def codec_missing(codec: str) -> str:
    """Return what is said where the library of a codec is not installed."""
    return f"the library for {codec} is missing; pip install {_CODEC_PACKAGES.get(codec, codec)}"


def too_few_brokers(settings: KafkaSettings, said: str) -> AsynqError:
    """Return the error of a topic that cannot be made as often as was asked for."""
    if "fenced" in said:  # They are registered, and not up yet: the same refusal, which passes.
        return BrokersStartingError(f"no topic can be made yet at {settings.address}: {said[:_SAID_MAX]}")
    return InvalidArgumentError(
        f"replication_factor {settings.replication_factor} cannot be had: {said[:_SAID_MAX]}; "
        "ask for at most as many as there are brokers, or leave it out"
    )


def frame_too_large(topic: str, size_bytes: int) -> str:
    """Return what is said of a frame that the topic does not take."""
    return (
        f"topic {topic} does not take a frame of {size_bytes} bytes; raise its max.message.bytes to {MESSAGE_BYTES_MAX}"
    )


def warn_of_silence(settings: KafkaSettings) -> None:
    """Tell the user of an attempt to connect that takes long."""
    logging.getLogger("asynq_compat").warning(
        "no Kafka broker at %s has answered for %g s, still trying; is it running, and is this its address?",
        ",".join(settings.bootstrap),
        WARN_AFTER_S,
    )


def _cause(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_TIMEOUT_S):
            return _TAKES_CONNECTIONS
    except socket.gaierror as error:
        return f"the name is not known ({error.strerror})"
    except (UnicodeError, OverflowError):
        return "that is no host and port"
    except TimeoutError:
        return "no answer to a connection attempt"
    except OSError as error:
        return (error.strerror or str(error)).lower()
