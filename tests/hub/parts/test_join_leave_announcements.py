from __future__ import annotations

from rtmon.hub.join_leave_announcements import JoinLeaveAnnouncements
from rtmon.protocol.catalog import Member
from rtmon.testing import until
from tests.hub.parts.building import Notes, make_context


def member(name: str) -> Member:
    """Return a member that is called like its client id."""
    return Member(client_id=name, name=name, info={"secret": 1})


async def test_join_leave_collects_changes_into_one_message_for_each_kind() -> None:
    """Joins of one interval are announced together, without the members' info; so are leaves."""
    context, notes = make_context(announce=0.01), Notes()
    context.broker.attach(lambda *_: None, events=notes)
    join_leave = JoinLeaveAnnouncements(context)
    for name in ("ada", "bo"):
        join_leave.add("room:r", "joined", name, member(name))
    join_leave.add("room:r", "left", "ada", member("ada"))
    assert notes.seen == []
    await until(lambda: notes.seen)
    (_, kind, joined), (_, later, left) = notes.seen
    assert (kind, joined.count, joined.room) == ("user_joined", 2, "r")
    assert [(user.name, user.info) for user in joined.users] == [("ada", None), ("bo", None)]
    assert (later, left.count, left.name) == ("user_left", 1, "ada")


async def test_join_leave_announces_a_member_before_it_publishes() -> None:
    """Only the places of that member are announced; other members' changes go on waiting."""
    context, notes = make_context(announce=60.0), Notes()
    context.broker.attach(lambda *_: None, events=notes)
    join_leave = JoinLeaveAnnouncements(context)
    join_leave.add("chat", "joined", "ada", member("ada"))
    join_leave.add("users", "left", "bo", member("bo"))
    join_leave.announce_member("chat", "bo")
    assert notes.take() == []
    join_leave.rename("chat", "ada", member("Ada"))
    join_leave.announce_member("chat", "ada")
    ((_, _, payload),) = notes.seen
    assert payload.name == "Ada"
    assert notes.take() == [("chat", "user_joined")]
    join_leave.flush()
    assert notes.take() == [("users", "user_offline")]
