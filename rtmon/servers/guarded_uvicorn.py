"""Protocol classes for uvicorn that defend what no application can: see docs/security.md."""

from __future__ import annotations

import inspect
import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra, OptionError

try:
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
except ImportError:
    raise MissingExtra("Serving ASGI", "uvicorn", "asgi") from None

from .uvicorn_http import HEADER_TIMEOUT, GuardedHTTP
from .uvicorn_websocket import GuardedWebSocket

if TYPE_CHECKING:
    from ..monitor import Monitor

__all__ = ["HEADER_TIMEOUT", "KEEP_ALIVE", "GuardedHTTP", "GuardedWebSocket", "guarded"]

KEEP_ALIVE = 75
"""Seconds for which a connection that asks for nothing is kept. With uvicorn's five it would be
closed before those that proxies keep (nginx: 60), and their next request, a poll or a POST, be lost
in between."""


def guarded(
    *,
    header_timeout: float = HEADER_TIMEOUT,
    stall_timeout: float | None = 20.0,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Options for ``uvicorn.run`` and ``uvicorn.Config`` that defend a server's connections.

    ``uvicorn.run(application, **guarded())``. What is defended, docs/security.md says; the same as
    :func:`rtmon.serve` does. :func:`rtmon.asgi.serve` has it by itself.

    Args:
        header_timeout: seconds for a request's line and headers; a body may be no slower than 500
            bytes a second over as long.
        stall_timeout: seconds for which a client may take nothing of what was sent to it, until
            its connection is cut; None for ever.
        monitor: what counts handshakes that never reach the application as rejected.

    Raises:
        OptionError: a timeout is none, or this version of uvicorn is another one inside.
    """
    for name, seconds in (("header_timeout", header_timeout), ("stall_timeout", stall_timeout)):
        none = name == "stall_timeout" and seconds is None
        if not none and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
            raise OptionError(f"{name}={seconds!r}: seconds above 0")
    for ours, theirs in ((GuardedHTTP, H11Protocol), (GuardedWebSocket, WebSocketsSansIOProtocol)):
        _check(ours, theirs)
    common = {"stall_timeout": stall_timeout, "monitor": monitor}
    return {
        "http": type("GuardedHTTP", (GuardedHTTP,), {**common, "header_timeout": header_timeout}),
        "ws": type("GuardedWebSocket", (GuardedWebSocket,), common),
        "timeout_keep_alive": KEEP_ALIVE,
    }


def _check(ours: type, theirs: type) -> None:
    """Check that the methods replaced are there in this version, with the same parameters.

    Raises:
        OptionError: they are not.
    """
    for name, method in vars(ours).items():
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        original = getattr(theirs, name, None)
        if original is None or len(inspect.signature(original).parameters) != len(
            inspect.signature(method).parameters
        ):
            raise OptionError(
                f"uvicorn {version('uvicorn')} is another one inside than rtmon's guarded "
                f"protocols are made for ({theirs.__name__}.{name}): pip install 'uvicorn~=0.54.0'"
            )
