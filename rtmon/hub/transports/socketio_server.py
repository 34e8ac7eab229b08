"""python-socketio's server with replaced internals, where the library offers no hook."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import operator
from collections.abc import Callable
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any

from ...errors import MissingExtra, OptionError

try:
    import socketio  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtra("The Socket.IO transport", "python-socketio", "asgi") from None

__all__ = ["PACKETS", "SocketIOServer", "asked", "logger"]

logger = logging.getLogger("rtmon.hub.socketio")

_REPLACED = (
    "_handle_eio_connect",
    "_handle_eio_disconnect",
    "_handle_eio_message",
    "_handle_event",
    "_send_packet",
)
"""Methods of ``AsyncServer`` that this module overrides. Their names and parameters must match."""

_USED = (
    "eio.disconnect",
    "eio.max_http_buffer_size",
    "eio.reason.TRANSPORT_ERROR",
    "eio.send",
    "eio.service_task_handle",
    "eio.sockets",
    "manager.eio_sid_from_sid",
    "manager.sid_from_eio_sid",
    "namespace_handlers",
    "reserved_events",
)
"""Undocumented attributes of the server that the transport uses."""

_ATTACHMENTS = 16
"""Maximum number of binary attachments of one event. python-socketio itself has no limit."""

_LOOKS = 60.0
"""Seconds between two checks whether a connection is still in a namespace."""

PACKETS = "rtmon.packets"
"""ASGI scope key of the validated packets of a POST."""

asked: ContextVar[int | None] = ContextVar("asked", default=None)
"""Id of the acknowledgement that the client asked for with the event being handled."""


class _Packet(socketio.packet.Packet):  # type: ignore[misc]  # untyped library
    """A packet whose number of attachments is limited."""

    def decode(self, encoded_packet: str) -> int:
        count: int = super().decode(encoded_packet) or 0
        if count > _ATTACHMENTS:
            raise ValueError("too many attachments")
        return count


class SocketIOServer(socketio.AsyncServer):  # type: ignore[misc]  # untyped library
    """python-socketio's server with the hub's limits and answers.

    Args:
        patience: returns the seconds within which a client must enter a namespace. Outside
            namespaces, no hub knows the client or limits it.
        **options: options of ``socketio.AsyncServer``.

    Raises:
        OptionError: the installed version of python-socketio is not supported.

    Attributes:
        managed: False: the hub manages rooms and sends messages, so python-socketio's manager,
            and a probe, cannot see the rooms and messages.
    """

    managed = False

    def __init__(self, *, patience: Callable[[], float], **options: Any) -> None:
        super().__init__(serializer=_Packet, **options)
        self._patience = patience
        for name in _REPLACED:
            theirs = getattr(socketio.AsyncServer, name, None)
            if theirs is None or _parameters(theirs) != _parameters(getattr(SocketIOServer, name)):
                raise _unknown(f"AsyncServer.{name}")
        for path in _USED:
            try:
                operator.attrgetter(path)(self)
            except AttributeError:
                raise _unknown(f"AsyncServer.{path}") from None

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        engine = self.eio.sockets[eio_sid]
        engine.handle_post_request = functools.partial(self._posted, engine)
        asyncio.get_running_loop().call_later(self._patience(), self._look, eio_sid)

    def _look(self, eio_sid: str) -> None:
        """End a connection that is in no namespace. Otherwise check again later."""
        engine = self.eio.sockets.get(eio_sid)
        if engine is None or engine.closed:
            return
        if any(self.manager.sid_from_eio_sid(eio_sid, name) for name in self.namespace_handlers):
            asyncio.get_running_loop().call_later(_LOOKS, self._look, eio_sid)
        else:
            self.start_background_task(self._end, engine)

    async def _end(self, engine: Any) -> None:
        """End a connection, and wake its waiting poll."""
        await engine.close(wait=False, reason=self.eio.reason.TRANSPORT_ERROR)
        engine.queue.put_nowait(None)  # wakes the waiting poll

    async def _posted(self, engine: Any, environ: dict[str, Any]) -> None:
        """Process the packets of a POST, instead of ``AsyncSocket.handle_post_request``."""
        for packet in environ["asgi.scope"][PACKETS]:
            if engine.closed:
                return
            await engine.receive(packet)

    async def end(self, eio_sid: str) -> None:
        """End a connection at once, without waiting for a poll to deliver the close packet."""
        engine = self.eio.sockets.get(eio_sid)
        if engine is not None and not engine.closed:
            await self._end(engine)

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        try:
            await super()._handle_eio_message(eio_sid, data)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            # A malformed packet ends the connection, as in the Socket.IO reference server.
            logger.info("%s sent what is no packet: %s", eio_sid, error)
            await self.end(eio_sid)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        engine = self.eio.sockets.get(eio_sid)
        if engine is not None and reason == self.eio.reason.CLIENT_DISCONNECT:
            engine.queue.put_nowait(None)  # answers the waiting poll

    async def _handle_event(self, eio_sid: str, namespace: str, id: Any, data: Any) -> None:  # noqa: A002 - named by the library
        # A client must not be able to call the handlers of "connect" and "disconnect".
        named = isinstance(data, list) and data and isinstance(data[0], str)
        if named and data[0] not in self.reserved_events:
            token = asked.set(id)
            try:
                # Send answers through the hub's bounded queue, because the queue of python-socketio
                # has no limit.
                await super()._handle_event(eio_sid, namespace, None, data)
            finally:
                asked.reset(token)

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        if pkt.packet_type == socketio.packet.CONNECT:
            handler = self.namespace_handlers[pkt.namespace or "/"]
            pkt.data["pid"] = handler.peers[pkt.data["sid"]].pid
        elif pkt.packet_type == socketio.packet.CONNECT_ERROR and isinstance(pkt.data, str):
            # The library reports an unknown namespace as a text. socket.io-client accepts only an
            # object with a ``message``.
            pkt.data = {"message": f"There is no namespace {pkt.namespace} here."}
        await super()._send_packet(eio_sid, pkt)


def _parameters(method: Callable[..., Any]) -> list[str]:
    """Return the parameter names of a method."""
    return list(inspect.signature(method).parameters)


def _unknown(what: str) -> OptionError:
    """Return the error for an unsupported version of python-socketio."""
    return OptionError(
        f"python-socketio {version('python-socketio')} is another one inside than the hub's "
        f"Socket.IO is made for ({what}): pip install 'python-socketio~=5.18.0'"
    )
