/**
 * The protocol for servers that are not hubs: messages are `{type, payload}` in JSON, or raw. No I/O.
 *
 * Such a server sends no welcome, knows no message ids, and acknowledges nothing. Browsers cannot send
 * WebSocket ping frames, so a `ping` message measures the latency. The server need not answer it.
 */

import { NORMAL, describe, mayReconnect } from "./close_codes.js";
import { DATA_DEPTH } from "./limits.js";
import { jsonOf } from "./values.js";

/**
 * Type of a received message that is not a JSON object with a `type`. Its payload is the complete
 * message.
 */
export const RAW = "raw";

/** Maximum nesting depth of a message, the same as for a hub. */
const DEPTH = DATA_DEPTH + 2;

/** First of the close codes whose meaning the server or its library defines (RFC 6455, 7.4.2). */
const PRIVATE = 3000;

/** A complete message that is sent unchanged, from `Client.sendRaw`. */
export class Raw {
  /** @param data a text, or a Uint8Array */
  constructor(data) {
    this.data = data;
  }
}

/** The encoder of messages for servers that are not hubs. The encoder for hubs is in encoding.js. */
export const PLAIN_WIRE = {
  /** No message may be sent twice, because such a server does not remove duplicates. */
  repeatable: new Set(),
  ephemeral: new Set(),
  /** True if the server acknowledges messages. */
  confirms: false,
  messageSize: Infinity,

  message(type, payload) {
    if (payload instanceof Raw) return payload.data;
    return jsonOf({ type, payload }, `The payload of '${type}'`, DEPTH);
  },

  written: (encoded) => encoded,

  sizeOf: (encoded) => encoded.length,

  batch(parts) {
    if (parts.length === 1) return parts[0];
    return `{"type":"batch","payload":{"messages":[${parts.join(",")}]}}`;
  },
};

/** Decodes the messages of a server that is not a hub, and delivers them as events. */
export class PlainReceiver {
  #session;
  #answer;

  constructor(session) {
    this.#session = session;
    this.#answer = session.options.ping?.answer ?? null;
  }

  /** Handle a received message. Never throws because of the message's content. */
  receive(data, now) {
    const session = this.#session;
    session.received += 1;
    const message = messageOf(data);
    const said = message.type === RAW ? message.payload : message.type;
    if (said === this.#answer && session.heartbeat.answered(session.heartbeat.waiting, now)) {
      session.tell({ rtt: session.heartbeat.rtt });
    } else {
      session.tell({ message, again: false });
    }
  }
}

const NOTHING = {
  id: null,
  timestamp: null,
  channel: null,
  clientId: null,
  name: null,
  position: null,
  gap: false,
};

function messageOf(data) {
  const found = typeof data === "string" ? parsed(data) : null;
  if (typeof found?.type !== "string") return Object.freeze({ type: RAW, payload: data, ...NOTHING });
  const { type, ...rest } = found;
  const { id, timestamp, channel } = rest;
  return Object.freeze({
    ...NOTHING,
    type,
    // Some servers send {type, …} without a payload. The other fields are then the payload.
    payload: Object.hasOwn(rest, "payload") ? rest.payload : rest,
    id: typeof id === "string" ? id : null,
    timestamp: typeof timestamp === "number" ? timestamp : null,
    channel: typeof channel === "string" ? channel : null,
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Return true if a client of a plain server reconnects after a close code. It does not reconnect after
 * standard codes such as 1008, because the next connection would end in the same way. It does after
 * 1000, because many libraries send 1000 by default.
 */
export function comesBack(code) {
  return code === NORMAL || code >= PRIVATE || mayReconnect(code);
}

/** Return a short text for a close code. Private codes are shown as numbers. */
export function described(code) {
  return code < PRIVATE ? describe(code) : `close code ${code}`;
}
