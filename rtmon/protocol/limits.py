"""Limits of the protocol and of the hub: sizes, rates, timeouts and maximum counts.

docs/protocol.md lists them for authors of clients, and a test compares both. Lengths of names and
texts are in characters, sizes in bytes, times in seconds.
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
"""Maximum size of a message from a client; a larger message closes the connection with 1009.
Re-encoding a message from one codec in the other can make it six times as large (MessagePack's
one-byte false becomes ``false,``). Even then it stays within :data:`DATA_SIZE`."""

SENT_SIZE: Final = 1_048_576
"""Maximum size of a message from the server: 1 MiB, the default limit of most WebSocket libraries.
Every client must accept messages of this size."""

DATA_SIZE: Final = 917_504
"""Maximum size of a message's ``data`` in either codec. It leaves space within :data:`SENT_SIZE`
for the longest text (six bytes a character in JSON), for the envelope, and for the envelope of a
history reply around it."""

NAME_LENGTH: Final = 128
"""Maximum length of a client, user, room or channel name. Control characters are not allowed."""

ID_LENGTH: Final = 128
"""Maximum length of a message id that a client chooses."""

TYPE_LENGTH: Final = 64
"""Maximum length of a message type."""

VERSION_LENGTH: Final = 16
"""Maximum length of ``version`` in ``metadata``."""

SOURCE_LENGTH: Final = 64
"""Maximum length of ``source`` in ``metadata``."""

TEXT_LENGTH: Final = 16_384
"""Maximum length of ``text`` in a chat, private, room or notification message."""

INFO_SIZE: Final = 2_048
"""Maximum size of a client's ``info``, encoded as JSON. Presence replies send it to other
clients."""

TOKEN_LENGTH: Final = 7_168
"""Maximum length of an authentication token. Servers and proxies commonly accept 8 KiB for a header
or request line, which also has to hold the header's name or the rest of the URL."""

KEYS_LIMITED: Final = 10_000
"""Number of users, and of addresses, whose rate limit is tracked at once. Above it, the least
recently used is evicted."""

DATA_DEPTH: Final = 32
"""Maximum nesting depth of lists and objects in ``data`` and ``info``."""

REASON_BYTES: Final = 123
"""Maximum size of a close reason in UTF-8: a control frame has space for this beside the close code
(RFC 6455, 5.5)."""

ROOMS_PER_CLIENT: Final = 100
"""Maximum number of rooms that one connection is in at once."""

MEMBERS_PER_ROOM: Final = 10_000
"""Maximum number of members of one room."""

CHANNELS_PER_CLIENT: Final = 100
"""Maximum number of subscriptions of one connection, including subscriptions to patterns."""

CHANNELS_KEPT: Final = 10_000
"""Number of channels and rooms whose history is kept. Above it, the least recently used is
evicted."""

MEMBERS_LISTED: Final = 100
"""Maximum number of members listed in one presence, user_joined or user_left message. The message
also has the count of all members."""

HISTORY_PAGE: Final = 1_000
"""Maximum number of publications in one history reply."""

REPLY_BYTES: Final = 393_216
"""Maximum size of the encoded messages in one history reply or batch; further messages go into the
next one. Batches are measured in JSON. In MessagePack, numbers may take 9 bytes instead of 4, which
:data:`SENT_SIZE` allows for."""

CATCHING_UP: Final = 10_000
"""Maximum number of live publications that are held back for one subscriber while its history is
fetched."""

BROKER_QUEUE: Final = 10_000
"""Maximum number of publications that wait for the broker. Above it, a publication is refused with
the error ``overloaded``."""

BROKER_NOTES: Final = 10_000
"""Maximum number of announcements (joins, leaves, typing and others) kept while the broker cannot
be reached. Above it, the oldest is dropped."""

PINGS_UNANSWERED: Final = 3
"""Number of the server's ``ping`` messages in a row without an answer after which the server closes
the connection."""

LISTENER_QUEUE: Final = 1_000
"""Maximum number of calls that wait for one asynchronous callback of the application, or for the
hooks of one client."""

TYPING_PER_CLIENT: Final = 20
"""Maximum number of rooms, chats and clients to which one client shows that it is typing, at
once."""

BATCH_MAX_MESSAGES: Final = batch_buffer.MAX_SIZE
"""Maximum number of messages in one batch, in each direction."""

BATCH_MAX_DELAY: Final = batch_buffer.MAX_DELAY
"""Maximum time in seconds for which a client may ask the server to collect a batch."""

DEDUPE_SECONDS: Final = 300.0
"""Seconds for which a sender's message id is remembered, so that a repeated message is not
published again."""

DEDUPE_IDS: Final = 200_000
"""Number of message ids remembered over all senders. Above it, the sender with the most ids loses
its oldest ones."""

RATE: Final = 200.0
"""Default sustained rate limit of a connection, in messages a second."""

BURST: Final = 500
"""Default number of messages that a connection may send at once before its rate limit applies."""

BYTE_RATE: Final = float(2 << 20)
"""Default sustained rate limit of a connection in decompressed bytes a second; faster input is read
later. The bytes of half a second, and at least one message, may come at once."""

TURN_BYTES: Final = 16_384
"""Decompressed bytes that the server reads from one connection before it reads from others."""

FLOOD_STRIKES: Final = 1_000
"""Number of messages refused in a row, without a pause, after which a flooding connection is
closed."""

WAITING_BYTES: Final = 1 << 20
"""Default maximum of bytes queued for one slow consumer. Above it, the policy for slow consumers
applies; by default the connection is closed with 1013."""

WAITING_MESSAGES: Final = 10_000
"""Default maximum number of messages queued for one slow consumer."""

WAITING_AGE: Final = 10.0
"""Default maximum time, in seconds, that a message waits in the queue of a slow consumer."""

STALLED: Final = 10.0
"""Default number of seconds after which a receiver that reads none of its queued messages is
disconnected."""

HEARTBEAT_MIN: Final = 1.0
"""Shortest interval, in seconds, at which a client may ask for ``ping`` messages."""

HEARTBEAT_MAX: Final = 3600.0
"""Longest interval, in seconds, at which a client may ask for ``ping`` messages."""

FILE_CHUNK: Final = 16_384
"""Default size of the data in one file chunk."""

FILE_CHUNK_MAX: Final = 65_536
"""Maximum size of the data in one file chunk."""

FILE_WINDOW: Final = 1 << 20
"""Maximum number of unacknowledged bytes that the sender of a file may have sent."""

FILE_PROGRESS: Final = 262_144
"""Number of received bytes of a file after which the receiver acknowledges its progress."""

FILE_IDLE: Final = 600.0
"""Seconds for which a paused upload can be resumed, if at least one byte of it has arrived."""

FILE_RESERVED: Final = 10.0
"""Seconds for which an upload without new data keeps its reserved disk space. An upload without any
byte ends after this time."""

FILES_KEPT: Final = 10_000
"""Default maximum number of files in the server's folder, including files that are there at
startup."""

FILE_SIZE: Final = 100 << 20
"""Default maximum size of a file."""

FILE_NAME_LENGTH: Final = 255
"""Maximum length of a file name in UTF-8 bytes, the limit of common file systems."""

FILE_MIME_LENGTH: Final = 128
"""Maximum length of the ``mime`` of a file."""

FILES_OFFERED: Final = 1_000
"""Maximum number of files on offer for download at once. Above it, the oldest offer ends; its file
stays in the folder."""

FILES_UNDER_WAY: Final = 256
"""Maximum number of uploads of all clients together. Each upload is an open file, and operating
systems allow a process 1,024 or more. Paused uploads count until they expire."""

FILES_PER_CLIENT: Final = 8
"""Maximum number of transfers of one connection at once, in each direction."""
