"""Permission checks of channels and of the ``allow`` function, tested without a hub."""

from __future__ import annotations

from typing import Any

from rtmon.errors import ProtocolError
from rtmon.hub.admission.authentication import User
from rtmon.hub.admission.permissions import Allow, Permissions
from rtmon.hub.connection import Connection
from rtmon.hub.hub_context import HubContext
from rtmon.hub.options import ChannelOptions
from tests.hub.parts.building import make_connection, make_context


async def allowed(
    context: HubContext, allow: Allow | None, connection: Connection, action: Any, place: str
) -> bool:
    """Return True if a client may perform the action."""
    try:
        await Permissions(context, allow).check(connection, action, place)
    except ProtocolError as error:
        return error.code != "forbidden"
    return True


async def test_permissions_apply_the_first_rule_to_a_channel_and_all_overlapping_to_a_pattern() -> (
    None
):
    """Permissions apply to a channel the first rule that matches the channel, and to a channel
    pattern every rule that overlaps the pattern.
    """
    rules = {"news.open": ChannelOptions(), "news.*": ChannelOptions(subscribe="read")}
    context = make_context(channels=rules)
    reader, stranger = make_connection(context), make_connection(context)
    reader.identity = User(id="ada", permissions=frozenset({"read"}))
    for place, reads, strange in (
        ("channel:news.open", True, True),
        ("channel:news.sport", True, False),
        ("channel:news.*", True, False),
        ("channel:**", True, False),
        ("channel:weather", True, True),
        ("room:news.sport", True, True),
    ):
        assert await allowed(context, None, reader, "subscribe", place) is reads
        assert await allowed(context, None, stranger, "subscribe", place) is strange


async def test_permissions_allow_only_when_the_allow_function_returns_true() -> None:
    """Permissions allow an action only when the ``allow`` function returns True, not 1, and the
    client is still connected.
    """
    context = make_context()
    asked: list[tuple[str, str]] = []

    async def later(connection: Connection, *_: str) -> bool:
        connection.end()
        return True

    def answers(value: Any) -> Allow:
        return lambda _, action, place: asked.append((action, place)) or value

    def fails(*_: Any) -> bool:
        raise RuntimeError

    for allow, expected in ((answers(True), True), (answers(1), False), (later, False)):
        connection = make_connection(context)
        assert await allowed(context, allow, connection, "join", "room:r") is expected
    assert not await allowed(context, fails, make_connection(context), "join", "room:r")
    assert asked == [("join", "room:r")] * 2
