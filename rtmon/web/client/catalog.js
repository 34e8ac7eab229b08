/**
 * Message types by what they have in common. Written by `make docs` from rtmon/protocol/catalog; do
 * not edit.
 */

/** Answered by an `ack` if the payload asks for it. */
export const ACKNOWLEDGED = new Set([
  "chat_message",
  "private_message",
  "publish",
  "room_message",
]);

/** Their `data` may be bytes as a whole. */
export const BINARY = new Set([
  "private_message",
  "publish",
  "room_message",
]);

/** Of no use later, and not queued while the client is offline. */
export const EPHEMERAL = new Set([
  "typing_end",
  "typing_start",
]);

/** May be sent twice under one id, and take effect once. */
export const REPEATABLE = new Set([
  "chat_message",
  "history",
  "presence",
  "publish",
  "rate_limit",
  "room_message",
]);

/** Message types that have a position, and the kind of place that it is in. */
export const POSITIONED = {
  chat_message: "chat",
  publication: "channel",
  room_message: "room",
};

/** The message types as constants. */
export const MESSAGE_TYPES = Object.freeze({
  WELCOME: "welcome",
  CONNECT: "connect",
  TOKEN_EXPIRING: "token_expiring",
  REFRESH: "refresh",
  RATE_LIMIT: "rate_limit",
  DISCONNECT: "disconnect",
  PING: "ping",
  PONG: "pong",
  BATCH: "batch",
  ACK: "ack",
  ERROR: "error",
  USER_JOINED: "user_joined",
  USER_LEFT: "user_left",
  USER_ONLINE: "user_online",
  USER_OFFLINE: "user_offline",
  PRESENCE: "presence",
  HISTORY: "history",
  CHAT_MESSAGE: "chat_message",
  PRIVATE_MESSAGE: "private_message",
  TYPING_START: "typing_start",
  TYPING_END: "typing_end",
  NOTIFICATION: "notification",
  JOIN_ROOM: "join_room",
  LEAVE_ROOM: "leave_room",
  ROOM_MESSAGE: "room_message",
  SUBSCRIBE: "subscribe",
  UNSUBSCRIBE: "unsubscribe",
  PUBLISH: "publish",
  PUBLICATION: "publication",
  GAP: "gap",
  FILE_OFFER: "file_offer",
  FILE_CHUNK: "file_chunk",
  FILE_DONE: "file_done",
  FILE_ABORT: "file_abort",
});
