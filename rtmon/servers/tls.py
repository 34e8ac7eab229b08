"""TLS for servers: load a certificate from files, and reload it when the files change."""

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
    """Return a TLS context for servers: ``rtmon.serve(hub, ssl=server_context("cert.pem"))``.

    When the files change, new connections get the new certificate, and open connections continue.
    If the new certificate cannot be used, a warning is logged and the old one stays in use.

    Args:
        certificate: PEM file with the certificate and its intermediate certificates.
        key: PEM file with the private key, without a password. None if the file ``certificate``
            contains the key, too.

    Raises:
        OptionError: a file cannot be read, or key and certificate do not belong together.
    """
    return _Certificate(Path(certificate), Path(certificate if key is None else key)).context


class _Certificate:
    """Sends the certificate that is in the files at the time of each handshake.

    Args:
        certificate: the file with the certificate.
        key: the file with its private key.

    Attributes:
        context: the TLS context for servers; it switches to a newer one in each handshake.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._stamp = self._now()
        self.context = self._current = self._load()
        # OpenSSL calls sni_callback in each handshake, even if the client sends no host name.
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
                # Perhaps only one of the two files has been replaced so far. The files are loaded
                # again when one of them changes again.
                logger.warning("the previous TLS certificate stays in use: %s", error)
            else:
                logger.info("the TLS certificate was reloaded from %s", self._certificate)
        connection.context = self._current

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # With an encrypted key and no password here, OpenSSL would ask on the terminal.
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
        """Return a value that changes when a file changes; None while a file is missing."""
        try:
            files = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return None
        return tuple((file.st_mtime_ns, file.st_size, file.st_ino) for file in files)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"OpenSSL says {error.reason or error}"
    return str(error.strerror if isinstance(error, OSError) else error)
