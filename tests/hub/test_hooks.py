"""Hooks: functions of the program that are called when clients come, act and leave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

import rtmon
import rtmon.asgi
from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import Hub
from rtmon.testing import until

Place = Any


def record(hub: Hub) -> list[tuple[Any, ...]]:
    """Return a growing list of the hooks called: the client's name, the hook, its arguments."""
    seen: list[tuple[Any, ...]] = []
    for hook in ("on_connect", "on_disconnect", "on_join", "on_leave"):
        _register(hub, hook, seen)
    for hook in ("on_subscribe", "on_publish"):
        _register(hub, hook, seen)
    return seen


def _register(hub: Hub, hook: str, seen: list[tuple[Any, ...]]) -> None:
    def plain(client: Any, *rest: Any) -> None:
        seen.append((client.name, hook, *rest))

    async def later(client: Any, *rest: Any) -> None:
        await asyncio.sleep(0)
        plain(client, *rest)

    getattr(hub, hook)(later if hook in {"on_join", "on_publish"} else plain)


async def test_hooks_are_called_in_the_order_of_a_clients_actions(place: Place, over: str) -> None:
    """Each hook is called once, sync or async, with its arguments, in order, over any transport."""
    seen = record(place.hub)
    ada = await place.connect("ada", over=over)
    await ada.ask("join_room", {"room": "r"})
    await ada.ask("join_room", {"room": "r"})  # it is in there: nothing happens
    await ada.ask("subscribe", {"channel": "c"})
    await ada.ask("subscribe", {"channel": "news.*"})
    await ada.ask("publish", {"channel": "c", "data": {"x": [1]}, "ack": True}, id="once")
    await ada.ask("publish", {"channel": "c", "data": {"x": [1]}, "ack": True}, id="once")
    await ada.ask("leave_room", {"room": "r"})
    await ada.ask("join_room", {"room": "s"})
    await ada.leave()
    await until(lambda: len(seen) == 9)
    assert seen[:8] == [
        ("ada", "on_connect"),
        ("ada", "on_join", "r"),
        ("ada", "on_subscribe", "c"),
        ("ada", "on_subscribe", "news.*"),
        ("ada", "on_publish", "c", {"x": [1]}),
        ("ada", "on_leave", "r"),
        ("ada", "on_join", "s"),
        ("ada", "on_leave", "s"),
    ]
    name, hook, code, reason, cause = seen[8]
    assert (name, hook) == ("ada", "on_disconnect")
    assert isinstance(reason, str)
    if over == "memory":
        assert (code, cause) == (None, "unknown")
    elif over.startswith(("sse", "socketio")):
        assert code is None
        assert cause in {"closed", "unknown"}
    else:
        assert (code, cause) == (1000, "closed")


async def test_hook_refuses_a_client_before_its_welcome(place: Place, over: str) -> None:
    """A client that on_connect refuses gets the error and no welcome, and no other hook is
    called.
    """
    seen: list[Any] = []
    place.hub.on_disconnect(lambda *arguments: seen.append(arguments))

    @place.hub.on_connect
    def refuse(client: Any) -> None:
        if client.name == "eve":
            raise ProtocolError("banned", "You are not wanted here.")

    if over == "memory" or over.startswith("socketio"):
        with pytest.raises(Exception, match=r"not wanted|failed to connect"):
            await place.come("eve", over=over)
    else:
        eve = await place.come("eve", over=over)
        first = eve.decode(await eve.receive())
        assert first["type"] in {"error", "disconnect"}
        if first["type"] == "error":
            assert first["payload"]["code"] == "banned"
            assert await eve.close_code() == 4500
        else:
            assert first["payload"]["code"] == 4500
    ada = await place.connect("ada", over=over)
    assert len(place.hub.connections) == 1
    assert (await ada.ask("ping"))["type"] == "pong"
    assert seen == []


async def test_slow_hook_holds_up_its_own_client_alone(place: Place, over: str) -> None:
    """While a hook of one client runs, its next message waits, and other clients go on."""
    begun, go = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    @place.hub.on_join
    async def slow(client: Any, room: str) -> None:
        if client.name == "ada":
            begun.set()
            await go.wait()
        seen.append(f"{client.name} {room}")

    async def note(session: Any, payload: Any) -> None:
        seen.append("note")

    place.hub.on("note")(note)
    ada, bo = await place.connect("ada", over=over), await place.connect("bo")

    async def send() -> None:
        # Over some transports, sending ends when the message was handled.
        await ada.send("join_room", {"room": "r"})
        await ada.send("note")

    sending = asyncio.ensure_future(send())
    await begun.wait()
    for number in range(5):
        await bo.ask("join_room", {"room": str(number)})
    await until(lambda: len(seen) == 5)
    assert seen == [f"bo {number}" for number in range(5)]
    go.set()
    await sending
    await until(lambda: len(seen) == 7)
    assert seen[5:] == ["ada r", "note"]


async def _hang(*_: Any) -> None:
    await asyncio.sleep(3600)


async def _stubborn(*_: Any) -> None:
    """Take no cancellation for an answer."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.2)
            return


def _raises(*_: Any) -> None:
    raise RuntimeError("secret of the inside")


def _returns(*_: Any) -> Any:
    return 42


async def _cancelled(*_: Any) -> None:
    raise asyncio.CancelledError


FAILING = {
    "hangs": _hang,
    "ignores cancellation": _stubborn,
    "raises": _raises,
    "returns something else": _returns,
    "is cancelled": _cancelled,
}


@pytest.mark.parametrize("how", FAILING)
@pytest.mark.parametrize("hook", ["on_connect", "on_join", "on_subscribe", "on_publish"])
async def test_failing_hook_harms_its_own_message_only(
    start: Callable[..., Awaitable[Place]], caplog: Any, hook: str, how: str
) -> None:
    """A hook that fails is told to its client as an error, and to the operator; others go on."""
    place = await start(hook_timeout=0.05)
    reported: list[tuple[str, str]] = []
    place.hub.report_to(lambda what, detail: reported.append((what, detail)))
    fail = FAILING[how]

    def for_ada(client: Any, *rest: Any) -> Any:
        return fail(client, *rest) if client.name == "ada" else None

    getattr(place.hub, hook)(for_ada)
    bo = await place.connect("bo")
    ada = await place.come("ada")
    with caplog.at_level(logging.ERROR, "rtmon.hub"):
        if hook != "on_connect":
            await ada.next("welcome")
            await ada.send("join_room", {"room": "r"}, id="1")
            await ada.send("subscribe", {"channel": "c"}, id="2")
            await ada.send("publish", {"channel": "c", "data": 1}, id="3")
        error = await ada.next("error")
    assert error["payload"]["code"] == "internal"
    assert "secret" not in error["payload"]["message"]
    if hook == "on_connect":
        assert await ada.close_code() == 1011
    else:
        assert error["reply_to"] == {"on_join": "1", "on_subscribe": "2", "on_publish": "3"}[hook]
        assert (await ada.ask("ping"))["type"] == "pong"
    assert place.hub.hook_failures == {hook: 1}
    assert [what for what, _ in reported] == ["hook failed"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert hook in caplog.records[0].getMessage()
    assert (await bo.ask("join_room", {"room": "r"}))["type"] == "ack"


async def test_welcome_comes_before_the_effects_of_the_connect_hook(
    place: Place, over: str
) -> None:
    """Messages and joins of on_connect reach the client after the welcome."""
    joined: list[str] = []

    @place.hub.on_connect
    async def greet(client: Any) -> None:
        await client.send("motd", {"text": f"hi {client.name}"})
        assert await client.join("lobby")
        assert await client.join("attic")
        await client.leave("attic")

    place.hub.on_join(lambda client, room: joined.append(room))
    ada = await place.connect("ada", over=over)
    assert ada.heard == []
    assert (await ada.next("motd"))["payload"] == {"text": "hi ada"}
    await until(lambda: joined == ["lobby"])
    bo = await place.connect("bo")
    await bo.next("motd")
    answer = await bo.ask("presence", {"room": "lobby"})
    assert [each["name"] for each in answer["payload"]["members"]] == ["ada", "bo"]
    await bo.send("room_message", {"room": "lobby", "text": "hello"})
    assert (await ada.next("room_message"))["payload"]["text"] == "hello"


@pytest.mark.parametrize("code", [1000, 4321])
async def test_connect_hook_may_close_the_client_with_a_code(place: Place, code: int) -> None:
    """A client that on_connect closes gets that code and reason, and no welcome."""

    @place.hub.on_connect
    async def close(client: Any) -> None:
        await client.close(code, "not now")

    ada = await place.come("ada")
    assert await ada.close_code() == code
    assert ada.connection.close_reason == "not now"
    await until(lambda: not place.hub.connections)


async def test_failures_of_one_hook_are_logged_once_a_minute(place: Place, caplog: Any) -> None:
    """A hook that fails for each of many messages is counted each time and logged once."""
    place.hub.on_publish(_raises)
    ada = await place.connect("ada")
    with caplog.at_level(logging.ERROR, "rtmon.hub"):
        for number in range(20):
            await ada.ask("publish", {"channel": "c", "data": number, "ack": True})
        await ada.quiet()
    assert place.hub.hook_failures == {"on_publish": 20}
    assert len(caplog.records) == 1


async def test_failures_of_two_functions_are_told_apart(place: Place, caplog: Any) -> None:
    """Each function that fails is named in the log, in one line whatever its name is."""

    def other(client: Any, channel: str, data: Any) -> None:
        raise RuntimeError

    other.__qualname__ = "other\nline"
    place.hub.on_publish(_raises)
    place.hub.on_publish(other)
    ada = await place.connect("ada")
    with caplog.at_level(logging.ERROR, "rtmon.hub"):
        await ada.ask("publish", {"channel": "c", "data": 1, "ack": True})
        await until(lambda: len(caplog.records) == 2)
    first, second = [record.getMessage() for record in caplog.records]
    assert first.startswith(f"on_publish ({__name__}._raises) failed: ")
    assert second.startswith(f"on_publish ({__name__}.other line) failed: ")


async def test_disconnect_hook_follows_the_hooks_before_it(place: Place) -> None:
    """on_disconnect waits for hooks of the same client that still run when the connection ends."""
    seen: list[str] = []
    go = asyncio.Event()

    @place.hub.on_join
    async def join(client: Any, room: str) -> None:
        await go.wait()
        seen.append("join")

    place.hub.on_leave(lambda client, room: seen.append("leave"))
    place.hub.on_disconnect(lambda client, code, reason, cause: seen.append("disconnect"))
    ada = await place.connect("ada", over="sse")
    sending = asyncio.ensure_future(ada.send("join_room", {"room": "r"}))
    await ada.next("ack")
    await ada.leave()
    await until(lambda: not place.hub.connections)
    assert seen == []
    go.set()
    await until(lambda: len(seen) == 3)
    assert seen == ["join", "leave", "disconnect"]
    await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize(
    ("code", "cause"), [(1001, "closed"), (1013, "slow consumer"), (4321, "closed")]
)
async def test_disconnect_hook_is_told_code_reason_and_cause(
    place: Place, code: int, cause: str
) -> None:
    """on_disconnect gets the hub's close code, reason and cause."""
    seen: list[Any] = []
    place.hub.on_disconnect(lambda client, *rest: seen.append(rest))
    ada = await place.connect("ada")
    reason = "you read too slowly" if code == 1013 else "because"
    place.hub.connections[ada.id].peer.close(code, reason)
    assert await ada.close_code() == code
    await until(lambda: bool(seen))
    assert seen == [(code, reason, cause)]


@pytest.mark.parametrize("over", ["native", "asgi"])
@pytest.mark.parametrize("how", ["closes", "vanishes", "is closed", "server ends"])
async def test_disconnect_hook_agrees_with_the_connections_table(over: str, how: str) -> None:
    """Code and cause that on_disconnect is told are those that a Monitor has of the connection."""
    hub, seen = rtmon.Hub(), []
    hub.on_disconnect(lambda client, code, reason, cause: seen.append((code, cause)))
    serving: Any = rtmon.serve if over == "native" else rtmon.asgi.serve
    async with serving(hub, "127.0.0.1", 0) as server:
        client = await connect(server.url, proxy=None)
        await client.recv()
        (met,) = hub.connections.values()
        if how == "closes":
            await client.close(4123, "mine")
        elif how == "vanishes":
            client.transport.abort()
        elif how == "is closed":
            met.peer.close(4321, "yours")
            await client.wait_closed()
        else:
            await hub.aclose()
            await client.wait_closed()
        await until(lambda: bool(seen))
        await until(lambda: met.peer.meter.ending is not None)
        ending = met.peer.meter.ending
    await hub.aclose()
    assert seen == [(ending.close_code, ending.cause)]


async def test_failing_hook_is_an_event_of_the_monitor() -> None:
    """The operator finds a failed hook among the Events."""
    hub = rtmon.Hub()
    hub.on_join(_raises)
    async with (
        rtmon.serve(hub, "127.0.0.1", 0) as server,
        rtmon.connect(server.url) as client,
    ):
        await client.join("r")
        await until(lambda: bool(hub.hook_failures))
        history = server.monitor.collector.history
        await until(lambda: any(each.kind == "hook failed" for each in history.events()))
        (event,) = [each for each in history.events() if each.kind == "hook failed"]
        assert str(event.detail).startswith(f"on_join ({__name__}._raises): ")
        assert "RuntimeError" in str(event.detail)
    await hub.aclose()


async def test_disconnect_hook_is_told_how_it_ended_without_a_monitor(place: Place) -> None:
    """Where no Monitor counts the connections, the transport gives the code and cause."""
    seen: list[Any] = []
    place.hub.on_disconnect(lambda client, *rest: seen.append(rest))
    ada, bo, eve = [await place.connect() for _ in range(3)]
    await ada.connection.close(4123, "mine")
    await until(lambda: len(seen) == 1)
    bo.connection.transport.abort()
    await until(lambda: len(seen) == 2)
    place.server.close()
    assert await eve.close_code() == 1001
    await until(lambda: len(seen) == 3)
    assert seen == [(4123, "mine", "closed"), (1006, "", "peer vanished"), seen[2]]
    assert seen[2][::2] == (1001, "server shutdown")


async def test_hub_ends_although_a_hook_hangs(start: Callable[..., Awaitable[Place]]) -> None:
    """A hook that hangs holds up the end of the hub for its time limit at most."""
    place = await start(hook_timeout=0.05)
    place.hub.on_disconnect(_hang)
    place.hub.on_disconnect(_stubborn)
    for name in ("ada", "bo"):
        await place.connect(name)
    async with asyncio.timeout(30):
        await place.hub.aclose()


async def test_connection_costs_nothing_for_hooks_that_there_are_not(place: Place) -> None:
    """Without hooks a connection has no queue of them, and no attribute of its own for them."""
    ada = await place.connect("ada")
    await ada.ask("join_room", {"room": "r"})
    await ada.ask("publish", {"channel": "c", "data": 1, "ack": True})
    own = vars(place.hub.connections[ada.id])
    assert not {"hooks", "held"} & {name for name, value in own.items() if value is not None}


def test_wrong_hooks_are_refused_when_they_are_registered() -> None:
    """A hook is a function that takes the arguments it is called with."""
    hub = Hub()
    with pytest.raises(OptionError, match="without parentheses"):
        hub.on_connect(None)  # type: ignore[type-var]
    with pytest.raises(OptionError, match="client, room"):
        hub.on_join(lambda client: None)
    for forgotten in (hub.check, hub.on):
        with pytest.raises(OptionError, match="is not a message type"):
            forgotten(print)
    with pytest.raises(OptionError, match="client, payload"):
        hub.check("chat_message")(lambda payload: payload)
