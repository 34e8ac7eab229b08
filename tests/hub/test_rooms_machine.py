"""Property-based test: the table of room memberships against a simple model."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtmon.hub.membership_index import MembershipIndex

members = st.integers(0, 5)
rooms = st.sampled_from(["a", "b", "c", "d"])


class RoomsMachine(RuleBasedStateMachine):
    """Compares ``Memberships`` with a model: a list of (member, room) pairs in the order of
    joining.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rooms: MembershipIndex[int] = MembershipIndex()
        self.pairs: list[tuple[int, str]] = []

    def inside(self, room: str) -> list[int]:
        """Return the members of a room in the model."""
        return [member for member, where in self.pairs if where == room]

    @rule(member=members, room=rooms)
    def join(self, member: int, room: str) -> None:
        """``join()`` returns the room's member count; joining again changes nothing."""
        if (member, room) not in self.pairs:
            self.pairs.append((member, room))
        assert self.rooms.join(member, room) == len(self.inside(room))

    @rule(member=members, room=rooms)
    def leave(self, member: int, room: str) -> None:
        """``leave()`` returns the room's member count; leaving again changes nothing."""
        if (member, room) in self.pairs:
            self.pairs.remove((member, room))
        assert self.rooms.leave(member, room) == len(self.inside(room))

    @rule(member=members)
    def leave_all(self, member: int) -> None:
        """``leave_all()`` returns the member's rooms in the order of joining."""
        left = [room for each, room in self.pairs if each == member]
        self.pairs = [pair for pair in self.pairs if pair[0] != member]
        assert self.rooms.leave_all(member) == left

    @invariant()
    def both_ways_agree(self) -> None:
        """Lookups by room and by member agree with the model, and a room without members does
        not exist.
        """
        known = {room for _, room in self.pairs}
        assert set(self.rooms.names()) == known
        assert len(self.rooms) == len(known)
        for room in ("a", "b", "c", "d"):
            assert list(self.rooms.members(room)) == self.inside(room)
            assert (room in self.rooms) == (room in known)
        for member in range(6):
            mine = [room for each, room in self.pairs if each == member]
            assert self.rooms.groups(member) == mine
            assert all(self.rooms.has(member, room) for room in mine)


TestRooms = RoomsMachine.TestCase
TestRooms.settings = settings(max_examples=60, stateful_step_count=40)
