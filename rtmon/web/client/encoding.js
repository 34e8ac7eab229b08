/** Encode and decode the messages of a client. Pure. */

import { BINARY, EPHEMERAL, MESSAGE_TYPES, REPEATABLE } from "./catalog.js";
import { OptionError } from "./errors.js";
import { DATA_DEPTH, MESSAGE_SIZE } from "./limits.js";
import { bytesOf, jsonOf } from "./values.js";

const CHUNK = 0x01;
const ATTACHED = 0x02;

/** How deep an envelope may nest: it holds the payload, an object, which holds the values. */
const DEPTH = DATA_DEPTH + 2;

const METADATA = { version: "1", source: "rtmon-js" };

const utf8 = new TextEncoder();
const text = new TextDecoder();

/** The encoder for hubs; plain_protocol.js has the one for other servers. */
export const RTMON_WIRE = {
  repeatable: REPEATABLE,
  ephemeral: EPHEMERAL,
  /** True if the server acknowledges messages. */
  confirms: true,
  /** Maximum size of a message in bytes, until the server names its own. */
  messageSize: MESSAGE_SIZE,

  message: encode,

  /** An encoded message as it is written. */
  written: (encoded) => (encoded.bytes === null ? encoded.text : withBytes(encoded)),

  sizeOf,

  /** Nothing binary fits into a batch of JSON. */
  batch: (parts, given) => batchOf(parts.map(inText), given),
};

/** The protocol says of its own types which are answered. */
const TYPES = new Set(Object.values(MESSAGE_TYPES));

/** A message as text, and the bytes that belong into it, if any; see `withBytes`, `inText`. */
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
  // A copy of the bytes: the sender may go on writing to its own.
  return {
    text: jsonOf(envelope, `The payload of '${type}'`, DEPTH),
    bytes: bytes === null ? null : bytes.slice(),
  };
}

/** An encoded message and its bytes as one binary message. */
export function withBytes({ text: envelope, bytes }) {
  const head = utf8.encode(envelope);
  const message = new Uint8Array(5 + head.length + bytes.length);
  message[0] = ATTACHED;
  new DataView(message.buffer).setUint32(1, head.length);
  message.set(head, 5);
  message.set(bytes, 5 + head.length);
  return message;
}

/** An encoded message as text, its bytes as base64. */
export function inText({ text: envelope, bytes }) {
  if (bytes === null) return envelope;
  const message = JSON.parse(envelope);
  Object.assign(message.payload, { data: toBase64(bytes), encoding: "base64" });
  return JSON.stringify(message);
}

/** The most bytes that an encoded message takes on the wire. */
export function sizeOf({ text: envelope, bytes }) {
  const head = envelope.length > 8_192 ? utf8.encode(envelope).length : envelope.length * 3;
  return head + (bytes === null ? 0 : Math.ceil(bytes.length / 3) * 4 + 32);
}

/** The bytes that an encoded message takes on the wire as text. */
export function exactSize(encoded) {
  return utf8.encode(inText(encoded)).length;
}

/** Texts of messages as one. */
export function batchOf(parts, { id, timestamp }) {
  if (parts.length === 1) return parts[0];
  const envelope = { id, type: "batch", timestamp, payload: { messages: [] }, metadata: METADATA };
  // Not parsed and encoded again: each is JSON already.
  return JSON.stringify(envelope).replace('"messages":[]', () => `"messages":[${parts.join(",")}]`);
}

/** What came, as a piece of a file or an envelope; throws where it is neither. */
export function decode(data) {
  if (typeof data !== "string") {
    if (data[0] === CHUNK) return { chunk: decodeChunk(data) };
    data = text.decode(data);
  }
  const envelope = JSON.parse(data);
  checkEnvelope(envelope);
  return { envelope };
}

export function checkEnvelope(envelope) {
  if (typeof envelope?.type !== "string") throw new TypeError("it has no type");
  const payload = (envelope.payload ??= {});
  if (typeof payload !== "object" || Array.isArray(payload)) {
    throw new TypeError("its payload is no object");
  }
}

/** The payload with its `data` as bytes, if it is encoded. */
export function decoded(payload) {
  if (payload.encoding !== "base64" || typeof payload.data !== "string") return payload;
  try {
    return { ...payload, data: fromBase64(payload.data) };
  } catch {
    return payload;
  }
}

/** A piece of a file as a binary message. */
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

export function toBase64(bytes) {
  let binary = "";
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8_192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  }
  return btoa(binary);
}

export function fromBase64(encoded) {
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}
