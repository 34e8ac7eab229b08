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
        help="Use TLS with the certificate in this PEM file, which is reloaded when it changes.",
    ),
]
TLSKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        envvar="RTMON_TLS_KEY",
        dir_okay=False,
        metavar="FILE",
        help="Private key of the certificate, if it is in a separate file.",
    ),
]
AdminTLS = Annotated[
    bool,
    typer.Option(
        "--admin-tls",
        envvar="RTMON_ADMIN_TLS",
        help="Use TLS for the admin listener, too; the certificate must include 127.0.0.1.",
    ),
]


def context_of(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return a TLS context for a certificate and its key; None without a certificate.

    Raises:
        OptionError: certificate or key are invalid.
    """
    if certificate is None:
        return None
    from ..servers.tls import server_context

    return server_context(certificate, key)
