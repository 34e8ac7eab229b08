"""Requests from this node to other nodes, with timeouts, and answers to their requests."""

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
"""Seconds within which all live nodes must answer how many clients a message was sent to."""

ACT_TIMEOUT: Final = 5.0
"""Seconds within which a client's node must answer a request about that client."""


RECHECK: Final = 0.25
"""Seconds without a reply after which this node asks the broker whether the client is still
connected."""


class NodeRequests:
    """Sends requests to other nodes, matches their replies, and answers their requests.

    Args:
        context: the hub's shared context.

    Attributes:
        act: carries out a request of another node, and returns an awaitable of the result. It
            returns None if the request is about a client that is not connected to this node.
    """

    def __init__(self, context: HubContext) -> None:
        self.act: Callable[[NodeRequest], Awaitable[Any] | None] = lambda _: None
        self._context = context
        self._waiting: dict[str, asyncio.Queue[NodeReply]] = {}

    async def total(self, act: Act, **fields: Any) -> int | None:
        """Send a request to all other live nodes. Returns the sum of their answers.

        Returns 0 if there are no other nodes. Returns None if a node does not answer in time, or if
        the broker cannot be reached.
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
        """Send a request to the node of a client. Returns the answer.

        Args:
            client_id: the client that the request is about.
            act: the requested action.
            fields: further fields of :class:`~rtmon.hub.brokers.node_messages.NodeRequest`.

        Raises:
            ProtocolError: no other node has the client (``unknown_client``), the client's node did
                not answer in time (``no_answer``), or the broker cannot be reached
                (``unavailable``). After ``no_answer`` the node may still carry out the request. An
                error that the node answers is raised as well.
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
                    "s. It may be down, or carry out the request later.",
                    retry=True,
                ) from None
        if reply.code:
            raise ProtocolError(reply.code, reply.message, retry=reply.retry)
        return reply.value

    async def _reply(self, client_id: str, answers: asyncio.Queue[NodeReply]) -> NodeReply:
        """Wait for the reply of a client's node, as long as the client is connected to a node.

        Raises:
            ProtocolError: the client has disconnected (``unknown_client``), or the broker cannot be
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
        """Process a request or a reply from another node."""
        payload = note.payload
        if isinstance(payload, NodeReply):
            answers = self._waiting.get(payload.id)
            if answers is not None and payload.node == self._context.node:
                answers.put_nowait(payload)
        elif isinstance(payload, NodeRequest) and (
            # A node ignores its own requests, except those about one client: the client may have
            # reconnected to this node under the same id.
            payload.client_id or payload.node != self._context.node
        ):
            acting = self.act(payload)
            if acting is not None:
                self._context.tasks.spawn(self._answer(payload, acting))

    async def _answer(self, request: NodeRequest, acting: Awaitable[Any]) -> None:
        """Await the result of a request, and send it to the requesting node."""
        failure: dict[str, Any] = {}
        value = None
        try:
            value = await acting
        except ProtocolError as error:
            failure = {"code": error.code, "message": error.message, "retry": error.retry}
        except OptionError as error:
            failure = {"code": "invalid_request", "message": str(error)}
        except Exception:
            logger.exception("a request of another node failed: %r", request.act)
            failure = {
                "code": "internal",
                "message": "The client's node failed to carry out the request.",
            }
        reply = NodeReply(
            id=request.id,
            node=request.node,
            sender=self._context.broker.node,
            value=value,
            **failure,
        )
        # If the broker cannot be reached, the requesting node no longer waits for the reply.
        with contextlib.suppress(ProtocolError):
            await self._context.broker.tell_nodes(Note(type="node_reply", payload=reply))

    def _request(self, act: Act, fields: dict[str, Any]) -> NodeRequest:
        """Return a new request from this node, with a new id."""
        context = self._context
        return NodeRequest(id=context.messages.new_id(), node=context.node, act=act, **fields)

    @contextlib.contextmanager
    def _answers(self, request: NodeRequest) -> Iterator[asyncio.Queue[NodeReply]]:
        """Context manager: provide a queue that receives the replies to a request."""
        answers = self._waiting[request.id] = asyncio.Queue()
        try:
            yield answers
        finally:
            del self._waiting[request.id]


def _unknown(client_id: str) -> ProtocolError:
    return ProtocolError("unknown_client", f"No node has the client {client_id!r}.")


def _note(request: NodeRequest) -> Note:
    return Note(type="node_request", payload=request)
