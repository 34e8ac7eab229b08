"""Channels: subscribing to them, and publishing to their subscribers."""

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
    """Ends a subscription."""

    channel: Name


class Publish(DataIn, PayloadIn, frozen=True, kw_only=True):
    """Publishes to a channel."""

    channel: Name
    data: Any = None
    encoding: Literal["base64"] | None = None
    ack: bool = False


class Publication(DataOut, frozen=True, kw_only=True):
    """A client or the server has published to a channel.

    Attributes:
        client_id, name: of the publisher; left out if it is the server.
    """

    channel: str
    epoch: str
    offset: int
    data: Any
    client_id: str | None = None
    name: str | None = None


class Gap(PayloadOut, frozen=True, kw_only=True):
    """Publications are lost for this client and others on its node.

    Attributes:
        channel, room: where; neither for the chat. For a pattern it is not certain.
        epoch, offset: the position now; left out for a pattern.
        recovered: false.
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
