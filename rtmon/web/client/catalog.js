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
