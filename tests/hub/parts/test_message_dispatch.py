"""Dispatch of client messages to handlers, tested without a hub."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rtmon.errors import ProtocolError
from rtmon.hub.admission.user_and_address_limits import RateLimits
from rtmon.hub.connection import Connection
from rtmon.hub.connection_registry import ConnectionRegistry
from rtmon.hub.files.uploads import Uploads
from rtmon.hub.handlers.custom_messages import custom_handler
from rtmon.hub.hook_calls import HookCalls
from rtmon.hub.hub_context import HubContext
from rtmon.hub.message_checks import MessageChecks
from rtmon.hub.message_dispatch import Dispatcher
from rtmon.protocol import limits
from tests.hub.parts.building import closed, make_connection, make_context, received


class Move(msgspec.Struct):
    """Payload of a custom message type."""

    x: int


async def move(connection: Connection, payload: Move) -> Any:
    """Return the payload as the reply."""
    return {"x": payload.x}


def dispatcher(context: HubContext, calls: list[Any]) -> Dispatcher:
    """Return a dispatcher with handlers that record their calls or raise."""

    async def ping(_: Connection, payload: Any, envelope: Any, __: Any) -> None:
        calls.append((envelope.id, payload.timestamp))

    async def publish(_: Connection, payload: Any, *__: Any) -> None:
        raise ProtocolError("forbidden", "no")

    async def presence(*_: Any) -> None:
        raise RuntimeError("broken")

    rates = RateLimits(context, authenticated=False)
    return Dispatcher(
        context,
        rates=rates,
        uploads=Uploads(context, ConnectionRegistry(), rates, None),
        handlers={"ping": ping, "publish": publish, "presence": presence},
        custom={"move": custom_handler("move", move, reserved=())},
        checks=MessageChecks(HookCalls(context), lambda _: None, {}),
    )


def message(kind: str, payload: Any = None, id_: str = "m") -> str:
    """Return a JSON message as a client sends it."""
    return json.dumps({"type": kind, "payload": payload or {}, "id": id_})


async def test_dispatcher_calls_the_handler_with_the_decoded_payload() -> None:
    """Dispatcher calls the handler of a message type with the decoded payload, and a ping does
    not count as activity.
    """
    context, calls = make_context(), []
    connection = make_connection(context)
    before, connection.active = connection.active, 0.0
    await dispatcher(context, calls).receive(connection, message("ping", {"timestamp": 5}))
    assert calls == [("m", 5)]
    assert connection.active == 0.0 != before


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("no JSON", "invalid_message"),
        (message("unheard_of"), "unknown_type"),
        (message("ping", {"timestamp": "x"}), "invalid_payload"),
        (message("publish", {"channel": "c", "data": 1}), "forbidden"),
        (message("presence"), "internal"),
        (b"\x01short", "invalid_message"),
    ],
)
async def test_dispatcher_answers_invalid_or_failing_messages_with_an_error_code(
    data: str | bytes, code: str
) -> None:
    """Dispatcher answers a malformed message, or a message whose handler raises, with an error
    code, and keeps the connection open.
    """
    context = make_context()
    connection = make_connection(context)
    await dispatcher(context, []).receive(connection, data)
    (answer,) = received(connection)
    assert (answer["type"], answer["payload"]["code"]) == ("error", code)
    assert closed(connection) is None


async def test_dispatcher_acknowledges_custom_message_with_the_handler_result() -> None:
    """Dispatcher answers a custom message with an ack that contains the handler's return value."""
    context = make_context()
    connection = make_connection(context)
    await dispatcher(context, []).receive(connection, message("move", {"x": 3}))
    (answer,) = received(connection)
    assert (answer["type"], answer["reply_to"]) == ("ack", "m")
    assert answer["payload"]["data"] == {"x": 3}


async def test_dispatcher_refuses_messages_above_the_rate_and_closes_a_flood() -> None:
    """Dispatcher answers messages above the rate limit with ``rate_limited``, and closes a
    flooding connection with 1008.
    """
    context, calls = make_context(rate=1, burst=2), []
    connection = make_connection(context)
    dispatch = dispatcher(context, calls)
    for number in range(3):
        await dispatch.receive(connection, message("ping", id_=str(number)))
    assert [id_ for id_, _ in calls] == ["0", "1"]
    (answer,) = received(connection)
    assert (answer["reply_to"], answer["payload"]["code"]) == ("2", "rate_limited")
    for _ in range(limits.FLOOD_STRIKES):
        await dispatch.receive(connection, message("ping"))
    assert closed(connection) == 1008
    assert len(calls) == 2


async def test_dispatcher_handles_the_messages_of_a_batch_one_by_one() -> None:
    """Dispatcher handles and counts each message of a batch separately, and refuses a batch
    inside a batch.
    """
    context, calls = make_context(rate=1, burst=4), []
    connection = make_connection(context)
    kinds = ("ping", "unheard_of", "batch", "ping", "ping")
    inner = [json.loads(message(kind, id_=str(n))) for n, kind in enumerate(kinds)]
    await dispatcher(context, calls).receive(connection, message("batch", {"messages": inner}))
    assert [id_ for id_, _ in calls] == ["0", "3"]
    errors = [(each["reply_to"], each["payload"]["code"]) for each in received(connection)]
    assert errors == [("1", "unknown_type"), ("2", "invalid_message"), ("4", "rate_limited")]


async def test_dispatcher_passes_messages_to_the_connections_intercept_function() -> None:
    """Dispatcher passes messages to the ``intercept`` function that a connection has, instead
    of to the handlers.
    """
    context, calls = make_context(), []
    connection, seen = make_connection(context), []

    async def intercept(data: str | bytes) -> None:
        seen.append(data)

    connection.intercept = intercept
    await dispatcher(context, calls).receive(connection, message("ping"))
    assert (len(seen), calls) == (1, [])
