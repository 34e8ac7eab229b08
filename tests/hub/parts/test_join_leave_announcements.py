"""Announcements of joins and leaves, tested without a hub."""

from __future__ import annotations

from rtmon.hub.join_leave_announcements import JoinLeaveAnnouncements
from rtmon.protocol.catalog import Member
from rtmon.testing import until
from tests.hub.parts.building import Notes, make_context


def member(name: str) -> Member:
    """Return a presence member whose name is its client id."""
    return Member(client_id=name, name=name, info={"secret": 1})


async def test_join_leave_collects_changes_into_one_message_for_each_kind() -> None:
    """Joins of one interval are announced in one message, without the members' info, and leaves in
    another message.
    """
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


async def test_announce_member_announces_only_this_members_pending_join() -> None:
    """``announce_member()`` announces the pending join of one member with its latest name, and
    leaves other changes pending.
    """
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
