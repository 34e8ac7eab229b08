"""Error messages for failed connections to an admin listener: the cause, and what to check."""

from __future__ import annotations

import socket

from websockets.exceptions import InvalidStatus

__all__ = ["CHECK_PORT", "connect_problem"]

CHECK_PORT = (
    "check the port; rtmon serve has its admin listener on 8766, rtmon.serve(..., admin=8766) and "
    "rtmon.serve_admin(monitor) start one"
)


def connect_problem(exc: Exception) -> str:
    """Return an error message: why connecting to an admin listener failed, and what to check.

    Args:
        exc: the exception that the attempt to connect raised: an OSError, a TimeoutError or an
            exception of the `websockets` library.
    """
    if isinstance(exc, InvalidStatus):
        status = exc.response.status_code
        body = bytes(exc.response.body or b"").decode("utf-8", "replace").strip()
        if body and status in {401, 403}:  # The admin listener explains the refusal in the body.
            return body
        return f"{body or f'the server answered with HTTP {status}'}: {CHECK_PORT}"
    if isinstance(exc, socket.gaierror):
        return f"there is no host of this name ({exc.strerror}): check the address"
    if isinstance(exc, ConnectionRefusedError):
        return f"nothing listens there: {CHECK_PORT}"
    if isinstance(exc, TimeoutError):
        return "no answer: check the address, and whether a firewall blocks the connection"
    return f"cannot connect: {str(exc) or type(exc).__name__}"
