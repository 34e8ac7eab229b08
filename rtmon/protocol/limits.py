"""Every limit of the protocol and the hub, in one place.

docs/protocol.md lists them for authors of clients; a test compares both. Lengths
of names and texts are in characters, sizes in bytes, times in seconds.
"""

from __future__ import annotations

from typing import Final

from ..core import batch_buffer

__all__ = [
    "BATCH_MAX_DELAY",
    "BATCH_MAX_MESSAGES",
    "BROKER_NOTES",
    "BROKER_QUEUE",
    "BURST",
    "BYTE_RATE",
    "CATCHING_UP",
    "CHANNELS_KEPT",
    "CHANNELS_PER_CLIENT",
    "DATA_DEPTH",
    "DATA_SIZE",
    "DEDUPE_IDS",
    "DEDUPE_SECONDS",
    "FILES_KEPT",
    "FILES_OFFERED",
    "FILES_PER_CLIENT",
    "FILES_UNDER_WAY",
    "FILE_CHUNK",
    "FILE_CHUNK_MAX",
    "FILE_IDLE",
    "FILE_MIME_LENGTH",
    "FILE_NAME_LENGTH",
    "FILE_PROGRESS",
    "FILE_RESERVED",
    "FILE_SIZE",
    "FILE_WINDOW",
    "FLOOD_STRIKES",
    "HEARTBEAT_MAX",
    "HEARTBEAT_MIN",
    "HISTORY_PAGE",
    "ID_LENGTH",
    "INFO_SIZE",
    "KEYS_LIMITED",
    "LISTENER_QUEUE",
    "MEMBERS_LISTED",
    "MEMBERS_PER_ROOM",
    "MESSAGE_SIZE",
    "NAME_LENGTH",
    "PINGS_UNANSWERED",
    "RATE",
    "REASON_BYTES",
    "REPLY_BYTES",
    "ROOMS_PER_CLIENT",
    "SENT_SIZE",
    "SOURCE_LENGTH",
    "STALLED",
    "TEXT_LENGTH",
    "TOKEN_LENGTH",
    "TURN_BYTES",
    "TYPE_LENGTH",
    "TYPING_PER_CLIENT",
    "VERSION_LENGTH",
    "WAITING_AGE",
    "WAITING_BYTES",
    "WAITING_MESSAGES",
]

MESSAGE_SIZE: Final = 131_072
"""Largest message a client may send; a larger one closes with 1009. What is decoded from one
codec and encoded in another may grow sixfold (MessagePack's one-byte false to ``false,``): this
stays within :data:`DATA_SIZE`."""

SENT_SIZE: Final = 1_048_576
"""Largest message that the server sends, and the least that a client must take: the 1 MiB that
most WebSocket libraries take by default."""

DATA_SIZE: Final = 917_504
"""The ``data`` of a message in either codec. In :data:`SENT_SIZE` this leaves room for the longest
text, six bytes a character in JSON, for the envelope, and for that of a history reply around it."""

NAME_LENGTH: Final = 128
"""Names of clients, users, rooms and channels; no control characters."""

ID_LENGTH: Final = 128
"""A message id chosen by a client."""

TYPE_LENGTH: Final = 64
"""A message type."""

VERSION_LENGTH: Final = 16
"""The ``version`` in ``metadata``."""

SOURCE_LENGTH: Final = 64
"""The ``source`` in ``metadata``."""

TEXT_LENGTH: Final = 16_384
"""The ``text`` of a chat, private, room or notification message."""

INFO_SIZE: Final = 2_048
"""A client's own ``info``, encoded as JSON: it is shown to every client that asks for presence."""

TOKEN_LENGTH: Final = 7_168
"""A token that authenticates a client: servers and proxies commonly take 8 KiB as one header or
request line, and a name, or the rest of the address, needs its room there."""

KEYS_LIMITED: Final = 10_000
"""Users, and addresses, whose rate is kept; past it the one longest unused is forgotten."""

DATA_DEPTH: Final = 32
"""How deep lists and objects in ``data`` and ``info`` may nest."""

REASON_BYTES: Final = 123
"""A close reason in UTF-8: what fits into a control frame beside the code (RFC 6455, 5.5)."""

ROOMS_PER_CLIENT: Final = 100
"""Rooms that one connection may be in at once."""

MEMBERS_PER_ROOM: Final = 10_000
"""Members of one room at once."""

CHANNELS_PER_CLIENT: Final = 100
"""Subscriptions of one connection at once, patterns included."""

CHANNELS_KEPT: Final = 10_000
"""Channels and rooms whose history is kept; past it the one longest unused goes first."""

MEMBERS_LISTED: Final = 100
"""Members named in one presence, user_joined or user_left message; the rest is a number."""

HISTORY_PAGE: Final = 1_000
"""Publications in one history reply."""

REPLY_BYTES: Final = 393_216
"""Encoded messages in one history reply or batch; what goes beyond is left for the next. Batches
are measured in JSON: in MessagePack numbers may take 9 bytes in place of 4, which
:data:`SENT_SIZE` allows for."""

CATCHING_UP: Final = 10_000
"""Publications held back for one subscriber while its history is fetched."""

BROKER_QUEUE: Final = 10_000
"""Publications that may wait for a broker at once; more are refused as ``overloaded``."""

BROKER_NOTES: Final = 10_000
"""Announcements (joins, leaves, typing and others) kept while a broker is away; past it the oldest
is dropped."""

PINGS_UNANSWERED: Final = 3
"""``ping`` messages of the server in a row without an answer, after which it closes."""

LISTENER_QUEUE: Final = 1_000
"""Publications waiting for one asynchronous listener in the server."""

TYPING_PER_CLIENT: Final = 20
"""Places where one client may be typing at once."""

BATCH_MAX_MESSAGES: Final = batch_buffer.MAX_SIZE
"""Messages in one batch, either way."""

BATCH_MAX_DELAY: Final = batch_buffer.MAX_DELAY
"""Longest that a client may ask the server to hold messages back for a batch."""

DEDUPE_SECONDS: Final = 300.0
"""How long a sender's message id is remembered, so that a repeat is not delivered again."""

DEDUPE_IDS: Final = 200_000
"""Message ids remembered at once, over all senders; the heaviest sender forgets first."""

RATE: Final = 200.0
"""Messages a second that a connection may send lastingly, by default."""

BURST: Final = 500
"""Messages that a connection may send at once before its rate applies, by default."""

BYTE_RATE: Final = float(2 << 20)
"""Bytes a second, inflated, that a connection may send lastingly, by default; what comes faster is
read later. Half a second's, and at least one message, may come at once."""

TURN_BYTES: Final = 16_384
"""Bytes of one connection's messages, inflated, after which others have their turn."""

FLOOD_STRIKES: Final = 1_000
"""Messages refused in a row, without a pause, after which a flooding connection is closed."""

WAITING_BYTES: Final = 1 << 20
"""Bytes that may wait for one slow receiver, by default; past it, it is closed with 1013, or as
the policy for slow receivers has it."""

WAITING_MESSAGES: Final = 10_000
"""Messages that may, by default."""

WAITING_AGE: Final = 10.0
"""How long a message may wait for a slow receiver, by default."""

STALLED: Final = 10.0
"""How long a receiver may take nothing at all of what waits for it, by default."""

HEARTBEAT_MIN: Final = 1.0
"""Shortest interval at which a client may ask for ``ping`` messages."""

HEARTBEAT_MAX: Final = 3600.0
"""Longest one."""

FILE_CHUNK: Final = 16_384
"""Data in one file chunk, unless agreed otherwise."""

FILE_CHUNK_MAX: Final = 65_536
"""Most data that one file chunk may carry."""

FILE_WINDOW: Final = 1 << 20
"""How far a sender of a file may be ahead of what was acknowledged."""

FILE_PROGRESS: Final = 262_144
"""Bytes of a file after which progress is acknowledged."""

FILE_IDLE: Final = 600.0
"""How long an upload that is not continued is kept for resuming, once bytes of it have come."""

FILE_RESERVED: Final = 10.0
"""How long an upload of which nothing comes keeps room reserved; without any byte it ends then."""

FILES_KEPT: Final = 10_000
"""Files in the server's folder, by default, those included that are there when it starts."""

FILE_SIZE: Final = 100 << 20
"""Largest file, by default."""

FILE_NAME_LENGTH: Final = 255
"""File names in UTF-8 bytes, as file systems have it."""

FILE_MIME_LENGTH: Final = 128
"""The ``mime`` of a file."""

FILES_OFFERED: Final = 1_000
"""Files that can be taken at once; past it the oldest offer ends, the file stays."""

FILES_UNDER_WAY: Final = 256
"""Uploads of all clients together; each is an open file, and systems give a process 1,024 or more.
Those that are not continued count until they are forgotten."""

FILES_PER_CLIENT: Final = 8
"""Transfers that one connection may have under way at once, each way."""
