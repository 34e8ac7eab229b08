"""A temporary certificate authority, made by the OpenSSL command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

__all__ = ["Authority"]

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """An authority that signs certificates for ``localhost`` and ``127.0.0.1``.

    Attributes:
        certificate: File of the authority's own certificate, for ``SSL_CERT_FILE`` and ``cafile``.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl on the PATH")
        self._folder = folder
        self.certificate = folder / "ca.pem"
        _openssl(
            folder, "req", "-x509", *_KEY, "-days", "1", "-subj", "/CN=rtmon tests",
            "-keyout", "ca.key", "-out", "ca.pem",
        )  # fmt: skip

    @property
    def client(self) -> ssl.SSLContext:
        """TLS client context that trusts this authority only."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def issue(self, certificate: Path, key: Path, *, name: str = "localhost") -> None:
        """Sign a new certificate, and write the certificate and its key to two files.

        Args:
            certificate: File for the certificate.
            key: File for the private key.
            name: Common name of the certificate.
        """
        made = self._folder / "issued"
        made.mkdir(exist_ok=True)
        (made / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(made, "req", *_KEY, "-subj", f"/CN={name}", "-keyout", "key", "-out", "request")
        _openssl(
            made, "x509", "-req", "-in", "request", "-CA", "../ca.pem", "-CAkey", "../ca.key",
            "-CAcreateserial", "-days", "1", "-extfile", "extensions", "-out", "cert",
        )  # fmt: skip
        # Replace each file by one rename, as programs that renew certificates do, so that a reader
        # always finds a complete file.
        (made / "cert").replace(certificate)
        (made / "key").replace(key)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
