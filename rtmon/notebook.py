"""Start and stop servers in notebook cells.

A server keeps running after the cell has finished. Running the cell again replaces the server.
"""

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
    """Start a server, or enter a context manager, and keep it running after the cell has finished.

    If this notebook has started a target with the same name before, that target is closed first.
    So the cell can be run twice.

    Args:
        target: a hub or a connection handler to serve; or a context manager to enter, such as
            :class:`rtmon.lab.load.Load`, ``rtmon.serve(…)`` or a Monitor.
        name: name of the target in this notebook, for :func:`stop`.
        host: the interface to listen on.
        port: the port to listen on; 0 chooses a free port.
        **options: further options of :func:`rtmon.serve`.

    Returns:
        The running server, or the value that the context manager returns on entry.

    Raises:
        MonitorError: the code does not run in a notebook. Use ``async with rtmon.serve(…)`` there.
    """
    # Load the code of notebook outputs before the server starts. Loading it later would block the
    # event loop, and so delay the server's clients.
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
    """Close a server or context manager that :func:`start` has started in this notebook.

    Args:
        name: the name given to :func:`start`; an unknown name is ignored. With None, close all,
            the last started first.

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
    """Show a button that closes everything this notebook has started with :func:`start`.

    Call this function in the last cell. After "Run All", the servers then keep running and the
    outputs stay live until the user clicks the button. If no user can click, as in nbconvert,
    nbclient and nbval, close everything at once.

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
    """Return True if the front end that runs the cell can ask a user for input.

    Front ends without a user, such as nbconvert, send ``allow_stdin=False`` with the cell.
    """
    kernel = getattr(_shell(), "kernel", None)
    if kernel is None:
        return False
    request: dict[str, Any] = kernel.get_parent("shell").get("content", {})
    return bool(request.get("allow_stdin", False))


def _registry() -> dict[str, AbstractAsyncContextManager[Any]]:
    """Return this notebook's started targets by name.

    They are an attribute of the IPython shell, so that they survive a reload of this module and
    the deletion of the notebook's variables.

    Raises:
        MonitorError: the code does not run in a notebook.
    """
    shell = _shell()
    if shell is None:
        raise MonitorError(
            "rtmon.notebook is for notebooks, and this is not one; "
            "use `async with rtmon.serve(…)` here"
        )
    registry: dict[str, AbstractAsyncContextManager[Any]] = vars(shell).setdefault(_REGISTRY, {})
    return registry
