"""How is TLS spoken?

Contract: a value; the files are opened by who connects.
"""

from __future__ import annotations

from dataclasses import dataclass

from asynq_compat.rules.keywords import suggesting_fields


@suggesting_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class TLSConfig:
    """How to speak TLS, in Go's words.

    Attributes:
        server_name: Name to check the certificate against; "" for the host that is dialled.
        ca_file: PEM file of the authorities to trust; "" for the system's.
        cert_file, key_file: PEM files of our own certificate; "" for none.
        insecure_skip_verify: Accept any certificate.
        check_hostname: False trusts every certificate of these authorities, whatever name it is made out to.
    """

    server_name: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure_skip_verify: bool = False
    check_hostname: bool = True
