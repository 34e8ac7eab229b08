"""``rtmon.broadcast``: send one message to many connections, encoded only once."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import broadcast as library_broadcast
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from .library_selftest import obstacle
from .shared_frames import (
    Kind,
    Piece,
    Sendable,
    Setting,
    frame,
    kind_of,
    payload,
    setting,
    shareable,
    write_own,
)

__all__ = ["TAKES_TEXT", "broadcast", "by_the_library", "log_skipped"]

TAKES_TEXT = "text" in inspect.signature(library_broadcast).parameters
"""False for websockets up to 15, whose ``broadcast`` has no option ``text``. With these versions,
the message is converted to ``str`` or ``bytes`` instead."""


def broadcast(  # noqa: C901, PLR0912 - one function, for speed
    connections: Iterable[Connection],
    message: Sendable,
    *,
    text: bool | None = None,
    raise_exceptions: bool = False,
) -> None:
    """Send a message to several connections of ``websockets``, without waiting for any of them.

    This is a drop-in replacement for ``websockets.broadcast``. It writes to the same connections as
    the original, including those whose write buffers are full, and skips all others. The frame is
    encoded once, and the same bytes are written to all connections. For connections that negotiated
    ``server_no_context_takeover`` the frame is compressed, once for each compression setting. For
    all other connections it is not compressed. If a connection cannot share frames, or the
    installed version of ``websockets`` is not tested, the library's own methods send the message.

    Args:
        connections: the recipients. They are copied first, so the collection may change.
        message: ``str`` for a text message, bytes-like for a binary message.
        text: True to send bytes that are UTF-8 as text; False to send a ``str`` as binary.
        raise_exceptions: True to raise errors instead of logging them.

    Raises:
        TypeError: the message is neither ``str`` nor bytes-like.
        UnicodeError: the text contains a surrogate, which is not allowed. With websockets up to 15,
            also if ``text`` is True and the bytes are not UTF-8.
        ExceptionGroup: the errors of all connections, with ``raise_exceptions``.
    """
    if obstacle() is not None:
        by_the_library(list(connections), message, text=text, raise_exceptions=raise_exceptions)
        return
    opcode, data = payload(message, text)
    plain = frame(opcode, data, None)
    built: dict[Setting, bytes] = {None: plain}
    kinds: dict[type[Any], Kind] = {}
    odd: list[Connection] = []
    exceptions: list[Exception] = []
    for connection in list(connections):
        protocol: Any = connection.protocol
        if protocol._state is not OPEN:  # noqa: SLF001 - the property costs a call
            continue
        kind = kinds.get(type(connection))
        if kind is None:
            kind = kinds[type(connection)] = kind_of(type(connection))
        if (
            kind is Kind.FOREIGN
            or connection.send_in_progress is not None
            or protocol.expect_continuation_frame
            or protocol.writes
            or protocol.debug
            or type(protocol) is not ServerProtocol
        ):
            odd.append(connection)
            continue
        data_frame = plain
        if protocol.extensions:
            if not shareable(protocol):
                odd.append(connection)
                continue
            wanted = setting(protocol.extensions)
            found = built.get(wanted)
            if found is None:
                found = built[wanted] = frame(opcode, data, wanted)
            data_frame = found
        try:
            if kind is Kind.OWN:
                write_own(connection, (Piece(opcode, data, data_frame, message, None),))
            else:
                connection.transport.write(data_frame)
        except Exception as exc:  # noqa: BLE001 - a failed write must not stop the others
            if raise_exceptions:
                exceptions.append(RuntimeError("failed to write message"))
                exceptions[-1].__cause__ = exc
            else:
                log_skipped(connection, exc)
    if odd:
        try:
            by_the_library(odd, message, text=text, raise_exceptions=raise_exceptions)
        except ExceptionGroup as group:
            exceptions += group.exceptions
    if exceptions:
        raise ExceptionGroup("skipped broadcast", exceptions)


def log_skipped(connection: Connection, exc: BaseException) -> None:
    """Log that a connection was skipped because its transport raised an exception.

    The text is the one that ``websockets.broadcast`` logs.
    """
    said = traceback.format_exception_only(exc)[0].strip()
    connection.logger.warning("skipped broadcast: failed to write message: %s", said)


def by_the_library(
    connections: Iterable[Connection],
    message: Any,
    *,
    text: bool | None,
    raise_exceptions: bool,
) -> None:
    """Send a message with ``websockets.broadcast``, which encodes it for each connection."""
    options = {}
    if text is not None and TAKES_TEXT:
        options["text"] = text
    elif text is False and isinstance(message, str):
        message = message.encode()
    elif text is True and not isinstance(message, str):
        message = bytes(message).decode()
    library_broadcast(connections, message, raise_exceptions=raise_exceptions, **options)
