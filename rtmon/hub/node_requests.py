"""Asking other nodes for something, and waiting for their answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from ..errors import OptionError, ProtocolError
from .brokers.base import Note
from .brokers.node_messages import Act, NodeReply, NodeRequest
from .hub_context import HubContext

__all__ = ["ACT_TIMEOUT", "COUNT_TIMEOUT", "NodeRequests"]

logger = logging.getLogger("rtmon.hub")

COUNT_TIMEOUT: Final = 1.0
"""Seconds within which all live nodes must say how many clients a message was sent to."""

ACT_TIMEOUT: Final = 5.0
"""Seconds within which the node of a client must acknowledge what was asked of it."""


RECHECK: Final = 0.25
"""Seconds without a reply after which the broker is asked whether the client is still there."""


class NodeRequests:
    """Sends requests to other nodes, matches their replies, and answers their requests.

    Args:
        context: of the hub.

    Attributes:
        act: does what another node asks for, and returns the answer; it returns None at once if
            the request is about a client that is not here.
    """

    def __init__(self, context: HubContext) -> None:
        self.act: Callable[[NodeRequest], Awaitable[Any] | None] = lambda _: None
        self._context = context
        self._waiting: dict[str, asyncio.Queue[NodeReply]] = {}

    async def total(self, act: Act, **fields: Any) -> int | None:
        """Return the sum of what all other live nodes answer, 0 if there are none.

        None if one of them does not answer in time, or they cannot be reached.
        """
        total, request = 0, self._request(act, fields)
        with self._answers(request) as answers, contextlib.suppress(ProtocolError, TimeoutError):
            async with asyncio.timeout(COUNT_TIMEOUT):
                silent = set(await self._context.broker.tell_nodes(_note(request)))
                while silent:
                    reply = await answers.get()
                    if reply.sender in silent and isinstance(reply.value, int):
                        silent.remove(reply.sender)
                        total += reply.value
            return total
        return None

    async def ask(self, client_id: str, act: Act, **fields: Any) -> Any:
        """Ask the node of a client for something. Returns its answer.

        Raises:
            ProtocolError: no other node has the client (``unknown_client``); its node did not
                answer in time (``no_answer``), and may have done it or do it yet; the broker
                cannot be reached (``unavailable``); or what the node answered.
        """
        request = self._request(act, {"client_id": client_id, **fields})
        with self._answers(request) as answers:
            try:
                async with asyncio.timeout(ACT_TIMEOUT):
                    if not await self._context.broker.send(client_id, _note(request)):
                        raise _unknown(client_id)
                    reply = await self._reply(client_id, answers)
            except TimeoutError:
                raise ProtocolError(
                    "no_answer",
                    f"The node of the client {client_id!r} did not answer within {ACT_TIMEOUT:g} "
                    "s: it may be gone, or do it later.",
                    retry=True,
                ) from None
        if reply.code:
            raise ProtocolError(reply.code, reply.message, retry=reply.retry)
        return reply.value

    async def _reply(self, client_id: str, answers: asyncio.Queue[NodeReply]) -> NodeReply:
        """Wait for the reply of a client's node; none comes if the client has left it meanwhile.

        Raises:
            ProtocolError: the client has left (``unknown_client``), or the broker cannot be
                reached.
        """
        while answers.empty():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECHECK):
                    return await answers.get()
            if not await self._context.broker.has_client(client_id) and answers.empty():
                raise _unknown(client_id)
        return answers.get_nowait()

    def received(self, note: Note) -> None:
        """Take a request or a reply of another node."""
        payload = note.payload
        if isinstance(payload, NodeReply):
            answers = self._waiting.get(payload.id)
            if answers is not None and payload.node == self._context.node:
                answers.put_nowait(payload)
        elif isinstance(payload, NodeRequest) and (
            # A client that was on another node may have connected here since: with the same id.
            payload.client_id or payload.node != self._context.node
        ):
            acting = self.act(payload)
            if acting is not None:
                self._context.tasks.spawn(self._answer(payload, acting))

    async def _answer(self, request: NodeRequest, acting: Awaitable[Any]) -> None:
        failure: dict[str, Any] = {}
        value = None
        try:
            value = await acting
        except ProtocolError as error:
            failure = {"code": error.code, "message": error.message, "retry": error.retry}
        except OptionError as error:
            failure = {"code": "invalid_request", "message": str(error)}
        except Exception:
            logger.exception("what another node asked for failed: %r", request.act)
            failure = {"code": "internal", "message": "The client's node failed at this."}
        reply = NodeReply(
            id=request.id,
            node=request.node,
            sender=self._context.broker.node,
            value=value,
            **failure,
        )
        # Without the broker nobody waits for the reply any more.
        with contextlib.suppress(ProtocolError):
            await self._context.broker.tell_nodes(Note(type="node_reply", payload=reply))

    def _request(self, act: Act, fields: dict[str, Any]) -> NodeRequest:
        context = self._context
        return NodeRequest(id=context.messages.new_id(), node=context.node, act=act, **fields)

    @contextlib.contextmanager
    def _answers(self, request: NodeRequest) -> Iterator[asyncio.Queue[NodeReply]]:
        answers = self._waiting[request.id] = asyncio.Queue()
        try:
            yield answers
        finally:
            del self._waiting[request.id]


def _unknown(client_id: str) -> ProtocolError:
    return ProtocolError("unknown_client", f"No node has the client {client_id!r}.")


def _note(request: NodeRequest) -> Note:
    return Note(type="node_request", payload=request)
