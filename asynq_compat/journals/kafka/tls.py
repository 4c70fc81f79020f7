"""What does Python's TLS make of the settings?

Contract: reads the files that are named; one that is missing or wrong is an error that names it. Nothing is connected.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.journals.kafka.settings import Encryption


def tls_context(encryption: Encryption, context: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """Return a context, `context` if one is given, that trusts and shows what the settings say.

    Raises:
        InvalidArgumentError: A file cannot be read, or holds something else; the message names it.
    """
    context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = encryption.checks_host_name and encryption.checks_certificate
    context.verify_mode = ssl.CERT_REQUIRED if encryption.checks_certificate else ssl.CERT_NONE
    for path in filter(None, (encryption.ca_file, encryption.cert_file, encryption.key_file)):
        _check_readable(path)
    try:
        if encryption.ca_file:
            context.load_verify_locations(encryption.ca_file)
        else:
            context.load_default_certs()
    except ssl.SSLError as error:
        raise InvalidArgumentError(
            f"{encryption.ca_file} holds no certificate of an authority in PEM form: {_reason(error)}"
        ) from None
    try:
        if encryption.cert_file:
            context.load_cert_chain(encryption.cert_file, encryption.key_file or None, _no_password)
    except (ssl.SSLError, InvalidArgumentError) as error:
        key = f"key {encryption.key_file}" if encryption.key_file else "key in the same file"
        raise InvalidArgumentError(
            f"certificate {encryption.cert_file} and its {key} cannot be used: {_reason(error)}; both in PEM form, the key without a password"
        ) from None
    return context


def _check_readable(path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise InvalidArgumentError(f"file {path} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _no_password() -> str:
    """Stand in for the question at the terminal, which would wait for ever in a server."""
    raise InvalidArgumentError("the key has a password")


def _reason(error: Exception) -> str:
    return (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
