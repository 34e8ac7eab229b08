"""TLS for servers: a certificate from files, reloaded when the files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TypeAlias

from ..errors import OptionError

__all__ = ["server_context"]

logger = logging.getLogger("rtmon.servers")

_Stamp: TypeAlias = "tuple[tuple[int, int, int], ...] | None"


def server_context(certificate: Path | str, key: Path | str | None = None) -> ssl.SSLContext:
    """Return a context for servers: ``rtmon.serve(hub, ssl=server_context("cert.pem"))``.

    When the files have changed, new connections get the new certificate; open connections continue.
    An unusable certificate is logged, and the old one stays.

    Args:
        certificate: the certificate and its intermediate certificates, as PEM.
        key: the private key, without a password; None if it is in the same file.

    Raises:
        OptionError: a file cannot be read, or key and certificate do not match.
    """
    return _Certificate(Path(certificate), Path(certificate if key is None else key)).context


class _Certificate:
    """Presents the current certificate of its files in each handshake.

    Args:
        certificate: the file with the certificate.
        key: the file with its key.

    Attributes:
        context: the server context that handshakes begin with.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._stamp = self._now()
        self.context = self._current = self._load()
        # OpenSSL calls it in each handshake, even if the client sends no host name.
        self.context.sni_callback = self._choose

    def _choose(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _: ssl.SSLContext
    ) -> None:
        stamp = self._now()
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            try:
                self._current = self._load()
            except OptionError as error:
                # The two files may be replaced one after the other.
                logger.warning("the previous TLS certificate stays in use: %s", error)
            else:
                logger.info("the TLS certificate was reloaded from %s", self._certificate)
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without the password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self._certificate, self._key, password=str)
        except (OSError, ValueError) as error:
            why = _why(error)
            files = f"{self._certificate} and {self._key}"
            raise OptionError(
                f"There is no certificate with its key in {files}: {why}. Give two PEM files that "
                "belong together, the key without a password."
            ) from None
        return context

    def _now(self) -> _Stamp:
        """Return a fingerprint that changes with the files; None while one is missing."""
        try:
            files = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return None
        return tuple((file.st_mtime_ns, file.st_size, file.st_ino) for file in files)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"OpenSSL says {error.reason or error}"
    return str(error.strerror if isinstance(error, OSError) else error)
