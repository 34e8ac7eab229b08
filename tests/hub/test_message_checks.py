"""Checks: functions of the application that see a client's message before the hub handles it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import Hub

Place = Any


async def test_check_function_replaces_or_refuses_a_chat_message(place: Place, over: str) -> None:
    """Hub publishes the message that a check function returns, and answers the client with the
    error that the check raises.
    """

    @place.hub.check("chat_message")
    async def words(client: Any, payload: Any) -> Any:
        await asyncio.sleep(0)
        if "spam" in payload.text:
            raise ProtocolError("rude", f"{client.name}, mind your words.")
        return msgspec.structs.replace(payload, text=payload.text.replace("darn", "****"))

    ada, bo = await place.connect("ada", over=over), await place.connect("bo")
    answer = await ada.ask("chat_message", {"text": "buy spam", "ack": True})
    assert answer["type"] == "error"
    assert answer["payload"]["code"] == "rude"
    assert answer["payload"]["message"] == "ada, mind your words."
    answer = await ada.ask("chat_message", {"text": "darn it", "ack": True})
    assert answer["payload"]["offset"] == 1
    assert (await bo.next("chat_message"))["payload"]["text"] == "**** it"
    history = await bo.ask("history", {})
    assert [each["payload"]["text"] for each in history["payload"]["messages"]] == ["**** it"]


async def test_check_functions_run_in_order_of_registration(place: Place) -> None:
    """Check functions of one message type run in the order of registration, each with the
    payload that the previous function returned.
    """
    for letter in "abc":
        place.hub.check("chat_message")(_append(letter))
    ada = await place.connect("ada")
    await ada.send("chat_message", {"text": "-"})
    assert (await ada.next("chat_message"))["payload"]["text"] == "-abc"


def _append(letter: str) -> Callable[[Any, Any], Any]:
    # A check may return a dict of the same shape as the client's payload.
    return lambda client, payload: {"text": payload.text + letter}


@pytest.mark.parametrize("over", ["websocket-json", "websocket-msgpack", "socketio-websocket"])
async def test_check_function_sees_decoded_data_of_a_publication_and_may_replace_it(
    place: Place, over: str
) -> None:
    """Check function of ``publish`` sees the decoded data, bytes included, and can replace or
    refuse it, also for ``pubsub`` messages.
    """

    class Price(msgspec.Struct):
        amount: float

    @place.hub.check("publish")
    def schema(client: Any, payload: Any) -> Any:
        if isinstance(payload.data, bytes):
            return msgspec.structs.replace(payload, data=payload.data[::-1])
        try:
            price = msgspec.convert(payload.data, Price)
        except msgspec.ValidationError as error:
            raise ProtocolError("invalid_price", str(error)) from None
        return msgspec.structs.replace(payload, data={"amount": round(price.amount, 2)})

    ada, bo = await place.connect("ada", over=over), await place.connect("bo", over=over)
    await bo.ask("subscribe", {"channel": "prices"})
    answer = await ada.ask("publish", {"channel": "prices", "data": {"amount": "x"}, "ack": True})
    assert answer["payload"]["code"] == "invalid_price"
    await ada.send("publish", {"channel": "prices", "data": {"amount": 1.239}})
    assert await bo.published(1) == [{"amount": 1.24}]
    await ada.send("pubsub", {"amount": 2.001}, channel="prices")
    assert await bo.published(1) == [{"amount": 2.0}]
    if ada.codec.binary:
        await ada.send("publish", {"channel": "prices", "data": b"\x00\xff"})
        assert await bo.published(1) == [b"\xff\x00"]


async def test_check_function_replaces_the_payload_of_a_custom_message(place: Place) -> None:
    """Check function of a custom message type can replace the payload that the handler of this
    type receives.
    """

    async def double(session: Any, payload: int) -> int:
        return 2 * payload

    place.hub.on("double")(double)
    place.hub.check("double")(lambda client, payload: payload + 1)
    ada = await place.connect("ada")
    assert (await ada.ask("double", 4))["payload"]["data"] == 10


def _raises(*_: Any) -> Any:
    raise KeyError("inside")


async def _hangs(*_: Any) -> Any:
    await asyncio.sleep(3600)


async def _cancelled(*_: Any) -> Any:
    raise asyncio.CancelledError


WRONG = {
    "raises": _raises,
    "hangs": _hangs,
    "is cancelled": _cancelled,
    "returns nothing": lambda client, payload: None,
    "returns another type": lambda client, payload: 42,
    "returns too long a text": lambda client, payload: {"text": "x" * 20_000},
    "returns what no client can be sent": lambda client, payload: {"text": object()},
    "returns half of a surrogate pair": lambda client, payload: {"text": "\ud800"},
    "returns an unchecked copy": lambda client, payload: msgspec.structs.replace(
        payload, text="x" * 20_000
    ),
}


@pytest.mark.parametrize("how", WRONG)
async def test_failing_check_function_refuses_only_the_message_it_checks(
    start: Callable[..., Awaitable[Place]], caplog: Any, how: str
) -> None:
    """Hub answers ``internal``, logs and counts a check function's failure, and handles the
    client's next message.
    """
    place = await start(hook_timeout=0.05)
    reported: list[str] = []
    place.hub.report_to(lambda what, detail: reported.append(what))

    @place.hub.check("chat_message")
    def check(client: Any, payload: Any) -> Any:
        return WRONG[how](client, payload) if payload.text == "bad" else payload

    ada = await place.connect("ada")
    with caplog.at_level(logging.ERROR, "rtmon.hub"):
        answer = await ada.ask("chat_message", {"text": "bad", "ack": True})
    assert answer["payload"]["code"] == "internal"
    assert "inside" not in answer["payload"]["message"]
    assert (await ada.ask("chat_message", {"text": "good", "ack": True}))["payload"]["offset"] == 1
    assert place.hub.hook_failures == {"check('chat_message')": 1}
    assert reported == ["hook failed"]
    assert len(caplog.records) == 1
    assert "\n" not in caplog.records[0].getMessage()


@pytest.mark.parametrize("kind", ["chat_mesage", "batch", "connect", "ping", "welcome", "pubsub"])
def test_hub_rejects_check_functions_for_unknown_and_internal_message_types(kind: str) -> None:
    """Hub's ``check()`` raises OptionError for an unknown message type and for types that cannot
    be checked, such as ``ping``.
    """
    with pytest.raises(OptionError, match=kind):
        Hub().check(kind)(lambda client, payload: payload)
