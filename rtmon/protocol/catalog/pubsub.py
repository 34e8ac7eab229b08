"""Message types of channels: subscribe, unsubscribe, publish, publications and gaps."""

from __future__ import annotations

from typing import Any, Final, Literal

from ..field_types import Name
from ..message_type import MessageType
from ..payload_bases import DataIn, DataOut, PayloadIn, PayloadOut, Position

__all__ = ["Gap", "Publication", "Publish", "Subscribe", "Unsubscribe"]


class Subscribe(PayloadIn, frozen=True, kw_only=True):
    """Subscribes to a channel, or to all channels that a pattern matches."""

    channel: Name
    since: Position | None = None


class Unsubscribe(PayloadIn, frozen=True, kw_only=True):
    """Ends a subscription to a channel or pattern."""

    channel: Name


class Publish(DataIn, PayloadIn, frozen=True, kw_only=True):
    """Publishes ``data`` to a channel."""

    channel: Name
    data: Any = None
    encoding: Literal["base64"] | None = None
    ack: bool = False


class Publication(DataOut, frozen=True, kw_only=True):
    """A client or the server has published to a channel.

    Attributes:
        client_id, name: id and name of the publishing client; omitted if the server published.
    """

    channel: str
    epoch: str
    offset: int
    data: Any
    client_id: str | None = None
    name: str | None = None


class Gap(PayloadOut, frozen=True, kw_only=True):
    """The client missed publications that can no longer be sent to it.

    Attributes:
        channel, room: the channel or the room; both omitted for the public chat. For a pattern,
            the loss is not certain.
        epoch, offset: the current position; omitted for a pattern.
        recovered: always false.
    """

    recovered: bool
    channel: str | None = None
    room: str | None = None
    epoch: str | None = None
    offset: int | None = None


MESSAGE_TYPES: Final = (
    MessageType("subscribe", incoming=Subscribe, reply="ack"),
    MessageType("unsubscribe", incoming=Unsubscribe, reply="ack"),
    MessageType("publish", incoming=Publish, acknowledged=True, repeatable=True),
    MessageType("publication", outgoing=Publication, positioned="channel", unsolicited=True),
    MessageType("gap", outgoing=Gap, unsolicited=True),
)
