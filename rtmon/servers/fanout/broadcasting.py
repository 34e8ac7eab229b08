"""``rtmon.broadcast``: send one message to any set of connections, framed once."""

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
"""Up to version 15, the library's ``broadcast`` has no ``text``: the message is converted."""


def broadcast(  # noqa: C901, PLR0912 - flat on purpose
    connections: Iterable[Connection],
    message: Sendable,
    *,
    text: bool | None = None,
    raise_exceptions: bool = False,
) -> None:
    """Send a message to several connections of ``websockets``, without waiting for any.

    A drop-in for ``websockets.broadcast``: the same connections are written to, whether their
    buffers are full or not, and the same ones are skipped. The frame is built once, and the same
    bytes are written to all; where a connection negotiated ``server_no_context_takeover`` they
    are compressed, once for each setting of the compressor, and elsewhere they are not.
    For other connections and untested versions of ``websockets``, the library's own methods send
    the message.

    Args:
        connections: the recipients; copied first.
        message: ``str`` for a text message, bytes for a binary one.
        text: send text for bytes that are UTF-8 (True), or binary for ``str`` (False).
        raise_exceptions: raise errors instead of logging them.

    Raises:
        TypeError: the message is neither ``str`` nor bytes-like.
        UnicodeError: it has a surrogate, which no text may; or ``text`` is true of bytes that are
            not UTF-8, and the library, up to version 15, has no such option.
        ExceptionGroup: the errors, with ``raise_exceptions``.
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
        if protocol._state is not OPEN:  # noqa: SLF001 - its property costs a call
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
        except Exception as exc:  # noqa: BLE001 - one that fails must not take others with it
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
    """Log that a transport raised, in the library's words."""
    said = traceback.format_exception_only(exc)[0].strip()
    connection.logger.warning("skipped broadcast: failed to write message: %s", said)


def by_the_library(
    connections: Iterable[Connection],
    message: Any,
    *,
    text: bool | None,
    raise_exceptions: bool,
) -> None:
    """Send a message to several connections, each framed by its own protocol."""
    options = {}
    if text is not None and TAKES_TEXT:
        options["text"] = text
    elif text is False and isinstance(message, str):
        message = message.encode()
    elif text is True and not isinstance(message, str):
        message = bytes(message).decode()
    library_broadcast(connections, message, raise_exceptions=raise_exceptions, **options)
