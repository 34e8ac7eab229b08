"""Hooks: functions of the application that the hub calls when clients connect, act and
disconnect.
"""

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
    """Return a list that grows by each hook call: client name, hook name, and arguments."""
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
    """Hub calls each hook, sync or async, once with its arguments and in the order of the
    client's actions.
    """
    seen = record(place.hub)
    ada = await place.connect("ada", over=over)
    await ada.ask("join_room", {"room": "r"})
    await ada.ask("join_room", {"room": "r"})  # Already a member, so no hook is called.
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


async def test_client_gets_error_and_no_welcome_when_on_connect_raises(
    place: Place, over: str
) -> None:
    """Client gets the error that ``on_connect`` raises instead of a welcome, and
    ``on_disconnect`` is not called.
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


async def test_slow_hook_delays_only_the_client_it_was_called_for(place: Place, over: str) -> None:
    """Hub delays a client's next message while its ``on_join`` hook runs, and handles other
    clients' messages meanwhile.
    """
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
        # Over some transports, send() returns only when the hub has handled the message.
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
    """Continue when canceled."""
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
async def test_failing_hook_is_answered_with_internal_and_logged(
    start: Callable[..., Awaitable[Place]], caplog: Any, hook: str, how: str
) -> None:
    """Hub answers ``internal`` to the client whose hook fails, logs, reports and counts the
    failure, and serves other clients.
    """
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


async def test_welcome_arrives_before_messages_that_on_connect_sends(
    place: Place, over: str
) -> None:
    """Client receives its welcome before messages that ``on_connect`` sends, and is in the rooms
    that ``on_connect`` joined.
    """
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
async def test_client_is_closed_with_the_code_that_on_connect_uses(place: Place, code: int) -> None:
    """Client that the ``on_connect`` hook closes gets the hook's close code and reason."""

    @place.hub.on_connect
    async def close(client: Any) -> None:
        await client.close(code, "not now")

    ada = await place.come("ada")
    assert await ada.close_code() == code
    assert ada.connection.close_reason == "not now"
    await until(lambda: not place.hub.connections)


async def test_twenty_failures_of_one_hook_are_logged_once(place: Place, caplog: Any) -> None:
    """Hub counts 20 failures of one hook, and logs only the first."""
    place.hub.on_publish(_raises)
    ada = await place.connect("ada")
    with caplog.at_level(logging.ERROR, "rtmon.hub"):
        for number in range(20):
            await ada.ask("publish", {"channel": "c", "data": number, "ack": True})
        await ada.quiet()
    assert place.hub.hook_failures == {"on_publish": 20}
    assert len(caplog.records) == 1


async def test_log_names_each_hook_function_that_fails(place: Place, caplog: Any) -> None:
    """Hub logs the failure of each hook function with its name, on one line even when the name
    contains a line break.
    """

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


async def test_on_disconnect_waits_for_running_hooks_of_the_same_client(place: Place) -> None:
    """Hub calls ``on_leave`` and ``on_disconnect`` only after a running ``on_join`` hook of the
    same client has ended.
    """
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
async def test_on_disconnect_gets_the_close_code_reason_and_cause(
    place: Place, code: int, cause: str
) -> None:
    """Hub calls ``on_disconnect`` with close code, reason and cause when the hub itself closes
    the connection.
    """
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
async def test_on_disconnect_gets_the_same_code_and_cause_as_the_monitor(
    over: str, how: str
) -> None:
    """Hub calls ``on_disconnect`` with the close code and cause that the Monitor records,
    however the connection ends.
    """
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


async def test_monitor_records_failing_hook_as_an_event() -> None:
    """Monitor records a ``hook failed`` event with hook, function and exception when a hook
    raises.
    """
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


async def test_on_disconnect_gets_code_and_cause_without_a_monitor(place: Place) -> None:
    """Hub calls ``on_disconnect`` with close code, reason and cause when no Monitor observes the
    server.
    """
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


async def test_hub_closes_within_the_hook_timeout_when_a_hook_hangs(
    start: Callable[..., Awaitable[Place]],
) -> None:
    """Hub closes although an ``on_disconnect`` hook hangs, because ``hook_timeout`` ends the
    hook.
    """
    place = await start(hook_timeout=0.05)
    place.hub.on_disconnect(_hang)
    place.hub.on_disconnect(_stubborn)
    for name in ("ada", "bo"):
        await place.connect(name)
    async with asyncio.timeout(30):
        await place.hub.aclose()


async def test_connection_has_no_hook_state_when_no_hooks_are_registered(place: Place) -> None:
    """Connection keeps no hook queue when no hooks are registered."""
    ada = await place.connect("ada")
    await ada.ask("join_room", {"room": "r"})
    await ada.ask("publish", {"channel": "c", "data": 1, "ack": True})
    own = vars(place.hub.connections[ada.id])
    assert not {"hooks", "held"} & {name for name, value in own.items() if value is not None}


def test_hub_rejects_hooks_with_wrong_arguments() -> None:
    """Hub raises OptionError when a registered hook is no function or takes the wrong arguments."""
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
