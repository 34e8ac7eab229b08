"""Run servers from notebook cells. Cells can be run twice, and a button stops all servers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .errors import MonitorError

if TYPE_CHECKING:
    from .hub import Hub
    from .servers.websockets import Handler, Server

__all__ = ["start", "stop", "stop_button"]

_REGISTRY = "_rtmon_started"

Entered = TypeVar("Entered")


@overload
async def start(target: AbstractAsyncContextManager[Entered], *, name: str = ...) -> Entered: ...


@overload
async def start(target: AbstractContextManager[Entered], *, name: str = ...) -> Entered: ...


@overload
async def start(
    target: Hub | Handler, *, name: str = ..., host: str = ..., port: int = ..., **options: Any
) -> Server: ...


async def start(
    target: Any,
    *,
    name: str = "server",
    host: str = "127.0.0.1",
    port: int = 0,
    **options: Any,
) -> Any:
    """Start a server, or enter a context manager, that keeps running after the cell has finished.

    A previous target of the same name is closed first, so the cell can be run twice.

    Args:
        target: a hub or a handler, which is served; or any context manager, such as
            :class:`rtmon.lab.load.Load`, ``rtmon.serve(…)`` or a Monitor, which is entered.
        name: name of the target in this notebook, for :func:`stop`.
        host: the interface to serve on.
        port: the port to serve on; any free port by default.
        **options: further arguments of :func:`rtmon.serve`.

    Returns:
        The running server, or the result of entering the context manager.

    Raises:
        MonitorError: the code does not run in a notebook. Use ``async with rtmon.serve(…)``.
    """
    # Loaded before the server runs: loading it later would block the clients.
    from .display import prepare

    prepare()
    running = _registry()
    await stop(name)
    if hasattr(target, "__enter__") and not hasattr(target, "__aenter__"):
        target = _asynchronous(target)
    elif not hasattr(target, "__aenter__"):
        from .servers.websockets import serve

        target = serve(target, host, port, **options)
    entered = await target.__aenter__()
    running[name] = target
    return entered


@asynccontextmanager
async def _asynchronous(target: AbstractContextManager[Entered]) -> AsyncIterator[Entered]:
    with target as entered:
        yield entered


async def stop(name: str | None = None) -> None:
    """Close the target with the given name, or all targets if it is None. May be called twice.

    All targets are closed in reverse order of their start.

    Raises:
        MonitorError: the code does not run in a notebook.
    """
    running = _registry()
    names = list(reversed(running)) if name is None else [name]
    for each in names:
        target = running.pop(each, None)
        if target is not None:
            await target.__aexit__(None, None, None)


async def stop_button() -> None:
    """Show a button that closes all targets of :func:`start`, for the last cell of a notebook.

    With this button, servers and live charts keep running after "Run All" until the user clicks.
    If no user can click, as in nbconvert, nbclient and nbval, all targets are closed at once.

    Raises:
        MonitorError: the code does not run in a notebook.
    """
    running = _registry()
    if not _user_is_there():
        await stop()
        return
    from .display import show
    from .display.stop_button import StopButton

    show(StopButton(stop, lambda: bool(running)))


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _user_is_there() -> bool:
    """Return True if the running cell was sent by a front end with a user.

    Such a front end sets ``allow_stdin`` in its execute request.
    """
    kernel = getattr(_shell(), "kernel", None)
    if kernel is None:
        return False
    request: dict[str, Any] = kernel.get_parent("shell").get("content", {})
    return bool(request.get("allow_stdin", False))


def _registry() -> dict[str, AbstractAsyncContextManager[Any]]:
    """Return the started targets by name.

    They are stored on the IPython shell, so that they survive a reload of this module.
    """
    shell = _shell()
    if shell is None:
        raise MonitorError(
            "rtmon.notebook is for notebooks, and this is not one; "
            "use `async with rtmon.serve(…)` here"
        )
    registry: dict[str, AbstractAsyncContextManager[Any]] = vars(shell).setdefault(_REGISTRY, {})
    return registry
