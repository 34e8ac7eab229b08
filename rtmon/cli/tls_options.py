"""Command-line options for the TLS certificate and key of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import ssl

__all__ = ["AdminTLS", "TLSCert", "TLSKey", "context_of"]

TLSCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        envvar="RTMON_TLS_CERT",
        dir_okay=False,
        metavar="FILE",
        help="Speak TLS, with the certificate in this PEM file; read again when it has changed.",
    ),
]
TLSKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        envvar="RTMON_TLS_KEY",
        dir_okay=False,
        metavar="FILE",
        help="Its private key, if it is in a file of its own.",
    ),
]
AdminTLS = Annotated[
    bool,
    typer.Option(
        "--admin-tls",
        envvar="RTMON_ADMIN_TLS",
        help="The admin listener on 127.0.0.1 speaks TLS, too; the certificate must name it.",
    ),
]


def context_of(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return the TLS context of a certificate and its key; None if no certificate is given.

    Raises:
        OptionError: the certificate or the key is invalid.
    """
    if certificate is None:
        return None
    from ..servers.tls import server_context

    return server_context(certificate, key)
