"""uvicorn's protocol classes with limits that no application can apply; see docs/security.md."""

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

from .uvicorn_http_limits import HEADER_TIMEOUT, GuardedHTTP
from .uvicorn_websocket_limits import GuardedWebSocket

if TYPE_CHECKING:
    from ..monitor import Monitor

__all__ = ["HEADER_TIMEOUT", "KEEP_ALIVE", "GuardedHTTP", "GuardedWebSocket", "guarded"]

KEEP_ALIVE = 75
"""Seconds for which an idle HTTP connection is kept open. uvicorn's default is 5 s. Proxies keep
connections longer (nginx: 60 s), and would send their next request on a connection that is just
being closed."""


def guarded(
    *,
    header_timeout: float = HEADER_TIMEOUT,
    stall_timeout: float | None = 20.0,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Return options for ``uvicorn.run`` and ``uvicorn.Config`` that limit a server's connections.

    Use them as ``uvicorn.run(application, **guarded())``. docs/security.md lists the limits; they
    are the same as those of :func:`rtmon.serve`. :func:`rtmon.asgi.serve` applies them itself.

    Args:
        header_timeout: seconds in which a request's line and headers must be complete. A body must
            arrive with at least 500 bytes a second, measured over ``header_timeout`` seconds.
        stall_timeout: seconds after which a connection is cut if its client reads none of the data
            sent to it; None for no limit.
        monitor: the Monitor that counts the handshakes refused before they reach the application.
            None to count none.

    Raises:
        OptionError: a timeout is invalid, or this version of uvicorn is not supported.
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
    """Check that uvicorn's class has the methods that rtmon's class overrides.

    The number of parameters must be the same, too.

    Raises:
        OptionError: a method is missing or differs: this version of uvicorn is not supported.
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
