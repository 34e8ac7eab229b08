"""The message types as constants.

Written by `make docs` from rtmon/protocol/catalog; do not edit.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACK",
    "BATCH",
    "CHAT_MESSAGE",
    "CONNECT",
    "DISCONNECT",
    "ERROR",
    "FILE_ABORT",
    "FILE_CHUNK",
    "FILE_DONE",
    "FILE_OFFER",
    "GAP",
    "HISTORY",
    "JOIN_ROOM",
    "LEAVE_ROOM",
    "NOTIFICATION",
    "PING",
    "PONG",
    "PRESENCE",
    "PRIVATE_MESSAGE",
    "PUBLICATION",
    "PUBLISH",
    "RATE_LIMIT",
    "REFRESH",
    "ROOM_MESSAGE",
    "SUBSCRIBE",
    "TOKEN_EXPIRING",
    "TYPING_END",
    "TYPING_START",
    "UNSUBSCRIBE",
    "USER_JOINED",
    "USER_LEFT",
    "USER_OFFLINE",
    "USER_ONLINE",
    "WELCOME",
]

WELCOME: Final = "welcome"
CONNECT: Final = "connect"
TOKEN_EXPIRING: Final = "token_expiring"  # noqa: S105
REFRESH: Final = "refresh"
RATE_LIMIT: Final = "rate_limit"
DISCONNECT: Final = "disconnect"
PING: Final = "ping"
PONG: Final = "pong"
BATCH: Final = "batch"
ACK: Final = "ack"
ERROR: Final = "error"
USER_JOINED: Final = "user_joined"
USER_LEFT: Final = "user_left"
USER_ONLINE: Final = "user_online"
USER_OFFLINE: Final = "user_offline"
PRESENCE: Final = "presence"
HISTORY: Final = "history"
CHAT_MESSAGE: Final = "chat_message"
PRIVATE_MESSAGE: Final = "private_message"
TYPING_START: Final = "typing_start"
TYPING_END: Final = "typing_end"
NOTIFICATION: Final = "notification"
JOIN_ROOM: Final = "join_room"
LEAVE_ROOM: Final = "leave_room"
ROOM_MESSAGE: Final = "room_message"
SUBSCRIBE: Final = "subscribe"
UNSUBSCRIBE: Final = "unsubscribe"
PUBLISH: Final = "publish"
PUBLICATION: Final = "publication"
GAP: Final = "gap"
FILE_OFFER: Final = "file_offer"
FILE_CHUNK: Final = "file_chunk"
FILE_DONE: Final = "file_done"
FILE_ABORT: Final = "file_abort"
