"""How does a test get certificates: good ones, and each kind that must not be trusted?

Contract: made anew by openssl below one folder. `name.pem` holds key and certificate of whom `name.crt` names.
"""

from __future__ import annotations

from pathlib import Path

from tests.services.installing import need_tool, run

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates:
    """An authority, what it signed for a server on 127.0.0.1 and for a client, and an authority that signed nothing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._openssl = need_tool("openssl", "openssl")
        self.ca = self._authority("ca")
        self.other_ca = self._authority("other")
        self.server = self.signed("server", "subjectAltName=IP:127.0.0.1")
        self.client = self.signed("client", "extendedKeyUsage=clientAuth")
        self.client_key = folder / "client.key"

    def _authority(self, name: str) -> Path:
        self._run(
            "req",
            "-x509",
            *_KEY,
            "-keyout",
            f"{name}.key",
            "-days",
            "30",
            "-out",
            f"{name}.crt",
            "-subj",
            f"/CN={name}",
        )
        return self.folder / f"{name}.crt"

    def signed(self, name: str, extension: str, days: int = 30) -> Path:
        """Return a certificate that the authority signed, its key in ``name.key``.

        Args:
            name: Of the files, and the subject.
            extension: For example "subjectAltName=DNS:localhost".
            days: How long it holds; -1: until yesterday.
        """
        self._run("req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / f"{name}.ext").write_text(f"{extension}\n")
        authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext"]
        self._run("x509", "-req", "-in", f"{name}.csr", *authority, "-days", str(days), "-out", f"{name}.crt")
        parts = (self.folder / f"{name}.{part}" for part in ("key", "crt"))
        (self.folder / f"{name}.pem").write_text("".join(part.read_text() for part in parts))
        return self.folder / f"{name}.crt"

    def _run(self, *arguments: str) -> None:
        run([self._openssl, *arguments], cwd=self.folder)
