/** Encode and decode the messages between a client and a hub. No I/O. */

import { BINARY, EPHEMERAL, MESSAGE_TYPES, REPEATABLE } from "./catalog.js";
import { OptionError } from "./errors.js";
import { DATA_DEPTH, MESSAGE_SIZE } from "./limits.js";
import { bytesOf, jsonOf } from "./values.js";

const CHUNK = 0x01;
const ATTACHED = 0x02;

/** Maximum nesting depth of a message: the envelope and the payload are two levels around the data. */
const DEPTH = DATA_DEPTH + 2;

const METADATA = { version: "1", source: "rtmon-js" };

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** The encoder of messages for hubs. The encoder for other servers is in plain_protocol.js. */
export const RTMON_WIRE = {
  repeatable: REPEATABLE,
  ephemeral: EPHEMERAL,
  /** True if the server acknowledges messages. */
  confirms: true,
  /** Maximum size of a message in bytes, until the server's welcome sends the server's limit. */
  messageSize: MESSAGE_SIZE,

  message: encode,

  /** Return an encoded message as the text or bytes of a WebSocket message. */
  written: (encoded) => (encoded.bytes === null ? encoded.text : withBytes(encoded)),

  sizeOf,

  /** A batch is JSON text, so bytes are encoded as base64. */
  batch: (parts, given) => batchOf(parts.map(inText), given),
};

/**
 * Message types of the protocol. The protocol defines which of them are acknowledged, so they need no
 * `ack` field in the envelope.
 */
const TYPES = new Set(Object.values(MESSAGE_TYPES));

/**
 * Encode a message as `{text, bytes}`: the JSON envelope, and the binary `data` of the payload. `bytes`
 * is null if the payload has no binary data. `withBytes` or `inText` joins both parts.
 */
export function encode(type, payload, { id, timestamp, replyTo, ack = false }) {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
    throw new OptionError(`The payload of '${type}' is no object: give one.`);
  }
  const bytes = bytesOf(payload.data);
  if (bytes !== null) {
    if (!BINARY.has(type)) {
      const types = [...BINARY].join(", ");
      throw new OptionError(`The data of '${type}' is bytes, which only ${types} carry.`);
    }
    payload = { ...payload, data: undefined };
  }
  const envelope = { id, type, timestamp, payload, reply_to: replyTo, metadata: METADATA };
  if (ack && !TYPES.has(type)) envelope.ack = true;
  // The bytes are copied, because the application may change its own array later.
  return {
    text: jsonOf(envelope, `The payload of '${type}'`, DEPTH),
    bytes: bytes === null ? null : bytes.slice(),
  };
}

/** Return an encoded message with its bytes as one binary WebSocket message. */
export function withBytes({ text: envelope, bytes }) {
  const head = utf8.encode(envelope);
  const message = new Uint8Array(5 + head.length + bytes.length);
  message[0] = ATTACHED;
  new DataView(message.buffer).setUint32(1, head.length);
  message.set(head, 5);
  message.set(bytes, 5 + head.length);
  return message;
}

/** Return an encoded message as JSON text, with its bytes encoded as base64. */
export function inText({ text: envelope, bytes }) {
  if (bytes === null) return envelope;
  const message = JSON.parse(envelope);
  Object.assign(message.payload, { data: toBase64(bytes), encoding: "base64" });
  return JSON.stringify(message);
}

/** Return an upper bound for the size of an encoded message on the network, in bytes. */
export function sizeOf({ text: envelope, bytes }) {
  const head = envelope.length > 8_192 ? utf8.encode(envelope).length : envelope.length * 3;
  return head + (bytes === null ? 0 : Math.ceil(bytes.length / 3) * 4 + 32);
}

/** Return the exact size of an encoded message in bytes, if it is sent as text. */
export function exactSize(encoded) {
  return utf8.encode(inText(encoded)).length;
}

/** Return several encoded messages as one `batch` message; a single message is returned unchanged. */
export function batchOf(parts, { id, timestamp }) {
  if (parts.length === 1) return parts[0];
  const envelope = { id, type: "batch", timestamp, payload: { messages: [] }, metadata: METADATA };
  // The parts are JSON texts, so they are inserted without parsing and encoding them again.
  return JSON.stringify(envelope).replace('"messages":[]', () => `"messages":[${parts.join(",")}]`);
}

/**
 * Decode a received message. Returns `{chunk}` for a chunk of a file, and `{envelope}` for any other
 * message. Throws if the data is neither.
 */
export function decode(data) {
  if (typeof data !== "string") {
    if (data[0] === CHUNK) return { chunk: decodeChunk(data) };
    data = text.decode(data);
  }
  const envelope = JSON.parse(data);
  checkEnvelope(envelope);
  return { envelope };
}

/** Throw TypeError unless a decoded envelope has a type, and an object as payload. */
export function checkEnvelope(envelope) {
  if (typeof envelope?.type !== "string") throw new TypeError("it has no type");
  const payload = (envelope.payload ??= {});
  if (typeof payload !== "object" || Array.isArray(payload)) {
    throw new TypeError("its payload is no object");
  }
}

/** Return a payload whose base64-encoded `data` is decoded to bytes; other payloads are unchanged. */
export function decoded(payload) {
  if (payload.encoding !== "base64" || typeof payload.data !== "string") return payload;
  try {
    return { ...payload, data: fromBase64(payload.data) };
  } catch {
    return payload;
  }
}

/** Encode a chunk of a file as a binary message. */
export function encodeChunk(file, offset, data) {
  const key = utf8.encode(file);
  const message = new Uint8Array(10 + key.length + data.length);
  message[0] = CHUNK;
  message[1] = key.length;
  message.set(key, 2);
  new DataView(message.buffer).setBigUint64(2 + key.length, BigInt(offset));
  message.set(data, 10 + key.length);
  return message;
}

function decodeChunk(message) {
  const end = 2 + message[1];
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  return {
    file: text.decode(message.subarray(2, end)),
    offset: Number(view.getBigUint64(end)),
    data: message.subarray(end + 8),
  };
}

/** Encode bytes as base64. */
export function toBase64(bytes) {
  let binary = "";
  // JavaScript engines limit the number of arguments of a call, so the bytes are passed in parts.
  for (let at = 0; at < bytes.length; at += 8_192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  }
  return btoa(binary);
}

/** Decode base64 to a Uint8Array. Throws if the text is not valid base64. */
export function fromBase64(encoded) {
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}
