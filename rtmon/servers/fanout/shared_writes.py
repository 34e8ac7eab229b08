"""Write the same bytes to several connections of a group, once per iteration of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from websockets.protocol import CLOSED, OPEN

from ...metrics.group_message_counts import SharedCounts, SharedPart
from .broadcasting import log_skipped
from .shared_frames import Piece, Setting, write_own

__all__ = ["GroupEvents", "SharedWrites"]


class GroupEvents:
    """Counters of a group, and callbacks to the group.

    Args:
        refused: called with a connection and the messages that cannot be written to it now.
        discard: called with a connection that has ended.

    Attributes:
        delivered: number of messages handed to transports; a message counts once per connection.
        bytes: size of the payloads of all delivered messages, in bytes.
        skipped: number of messages not handed to a transport; a message counts once per connection.
    """

    __slots__ = ("bytes", "delivered", "discard", "refused", "skipped")

    def __init__(
        self,
        *,
        refused: Callable[[Any, Sequence[Piece]], None],
        discard: Callable[[Any], None],
    ) -> None:
        self.delivered = 0
        self.bytes = 0
        self.skipped = 0
        self.refused = refused
        self.discard = discard


class GroupMember:
    """A connection with a probe, as a member of a group; implements ``GroupMembership``."""

    __slots__ = ("_connection", "_lane", "share")

    def __init__(self, connection: Any, lane: SharedWrites, share: SharedPart | None) -> None:
        self._connection = connection
        self._lane = lane
        self.share = share

    def flush(self, *, begins: bool) -> None:
        """Write the group's pending messages to the connection, before its own next frame."""
        if self._lane.pending:
            self._lane.catch_up(self._connection, begins=begins)

    def leave(self) -> None:
        """Remove the connection from the group, because it has ended."""
        self._lane.tidings.discard(self._connection)


class SharedWrites:
    """The connections of a group that get the same bytes and share their counters.

    Args:
        key: key of this object in the group.
        setting: compression setting of the messages.
        tidings: counters of the group, and callbacks to it.
        joins: True if messages are collected until the end of the loop iteration. This is possible
            only for connections with a probe.
        shared: the shared counters; None if messages are not counted.
        now: returns monotonic seconds; None if messages are not counted.

    Attributes:
        pending: messages that are published and not yet written, in order.
    """

    def __init__(
        self,
        key: tuple[Any, ...],
        setting: Setting,
        tidings: GroupEvents,
        *,
        joins: bool,
        shared: SharedCounts | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.key = key
        self.setting = setting
        self.tidings = tidings
        self.joins = joins
        self.pending: list[Piece] = []
        self._members: dict[Any, GroupMember | None] = {}
        # A tuple: it is iterated over for each message, and the set may change meanwhile.
        self._row: tuple[tuple[Any, Any, Callable[[bytes], None]], ...] | None = ()
        # Connection → number of the pending messages that it already has or must not get.
        self._ahead: dict[Any, int] = {}
        self._shared = shared
        self._now = now

    def __len__(self) -> int:
        return len(self._members)

    def add(self, connection: Any) -> None:
        """Add a connection. It gets the messages that are published from now on."""
        member: GroupMember | None = None
        if self.joins:
            tally = connection._tally  # noqa: SLF001 - an attribute of rtmon
            share = None if self._shared is None else self._shared.join(tally.meter)
            member = GroupMember(connection, self, share)
            tally.groups = (*tally.groups, member)
        self._members[connection] = member
        self._row = None
        if self.pending:
            self._ahead[connection] = len(self.pending)

    def discard(self, connection: Any) -> None:
        """Remove a connection, after writing the pending messages to it."""
        self._hand_over(connection)
        member = self._members.pop(connection)
        self._row = None
        self._ahead.pop(connection, None)
        if member is not None:
            tally = connection._tally  # noqa: SLF001 - an attribute of rtmon
            tally.groups = tuple([one for one in tally.groups if one is not member])
            if member.share is not None:
                member.share.leave()

    def put(self, piece: Piece, skip: Iterable[Any]) -> None:
        """Publish a message to all connections except those in ``skip``.

        The messages that are already pending are written to the connections in ``skip`` now.
        """
        skipping = [connection for connection in skip if connection in self._members]
        for connection in skipping:
            self._hand_over(connection)
        self.pending.append(piece)
        for connection in skipping:
            self._ahead[connection] = len(self.pending)

    def catch_up(self, connection: Any, *, begins: bool) -> None:
        """Write the pending messages to one connection, before the connection's own next frame.

        Nothing is written while the connection is in the middle of sending a fragmented message.

        Args:
            connection: the connection.
            begins: True if the connection's next frame begins a message.
        """
        if begins or _is_between(connection):
            self._hand_over(connection, begins=begins)

    def flush(self) -> None:
        """Write the pending messages to all connections."""
        pieces, self.pending = self.pending, []
        if not pieces:
            return
        ahead, self._ahead = self._ahead, {}
        row = self._row
        if row is None:
            row = self._row = tuple(
                [(one, one.protocol, one.transport.write) for one in self._members]
            )
        if ahead:
            row = tuple([entry for entry in row if entry[0] not in ahead])
        data = pieces[0].frame if len(pieces) == 1 else b"".join([piece.frame for piece in pieces])
        refused, failed = [], []
        for connection, protocol, write in row:
            if (
                protocol._state is OPEN  # noqa: SLF001 - the property costs a call
                and not connection.paused
                and connection.send_in_progress is None
                and not protocol.expect_continuation_frame
            ):
                try:
                    write(data)
                except Exception as exc:  # noqa: BLE001 - a failed write must not stop the others
                    log_skipped(connection, exc)
                    failed.append(connection)
            else:
                refused.append(connection)
        written = len(row) - len(refused) - len(failed)
        self.tidings.skipped += len(failed) * len(pieces)
        self._count(pieces, len(data), written, without=(*ahead, *refused, *failed))
        for connection, start in ahead.items():
            if start < len(pieces) and connection in self._members:
                self._give(connection, pieces[start:], begins=False)
        for connection in refused:
            self._refuse(connection, pieces)

    def _hand_over(self, connection: Any, *, begins: bool = False) -> None:
        pieces = self.pending[self._ahead.get(connection, 0) :]
        if pieces:
            self._ahead[connection] = len(self.pending)
            self._give(connection, pieces, begins=begins)

    def _give(self, connection: Any, pieces: Sequence[Piece], *, begins: bool) -> None:
        """Write messages to one connection only; :meth:`flush` writes to all at the same time."""
        free = connection.protocol.state is OPEN and not connection.paused
        if free and (begins or _is_between(connection)):
            try:
                write_own(connection, pieces)
            except Exception as exc:  # noqa: BLE001 - a failed write must not stop the others
                log_skipped(connection, exc)
                self.tidings.skipped += len(pieces)
            else:
                self.tidings.delivered += len(pieces)
                self.tidings.bytes += sum(len(piece.data) for piece in pieces)
        else:
            self._refuse(connection, pieces)

    def _refuse(self, connection: Any, pieces: Sequence[Piece]) -> None:
        self.tidings.skipped += len(pieces)
        state = connection.protocol.state
        if state is OPEN:
            self.tidings.refused(connection, pieces)
        elif state is CLOSED:
            self.tidings.discard(connection)

    def _count(
        self, pieces: Sequence[Piece], wire: int, receivers: int, without: Iterable[Any]
    ) -> None:
        """Count messages that were written to all connections except those in ``without``.

        Args:
            pieces: the messages.
            wire: number of bytes written to each connection.
            receivers: number of connections that the messages were written to.
            without: connections that the messages were not written to.
        """
        sizes = [(piece.opcode, len(piece.data)) for piece in pieces]
        self.tidings.delivered += receivers * len(pieces)
        self.tidings.bytes += receivers * sum(size for _, size in sizes)
        shared = self._shared
        if shared is not None and self._now is not None:
            after = shared.after(sizes, wire)
            for connection in without:
                member = self._members.get(connection)
                if member is not None and member.share is not None:
                    member.share.skip(after)
            shared.sent(sizes, wire=wire, receivers=receivers, now=self._now())


def _is_between(connection: Any) -> bool:
    """Return True if the connection is not in the middle of a fragmented message."""
    return connection.send_in_progress is None and not connection.protocol.expect_continuation_frame
