/**
 * The protocol for servers other than hubs: `{type, payload}` in JSON, or raw messages. Pure.
 *
 * Such a server sends no welcome, knows no message ids, and acknowledges nothing. A page cannot send ping
 * frames, so what measures the latency is a message, which a server may answer or not.
 */

import { NORMAL, describe, mayReconnect } from "./close_codes.js";
import { DATA_DEPTH } from "./limits.js";
import { jsonOf } from "./values.js";

/** Type of a message that is no JSON object with a `type`; its payload is all of it. */
export const RAW = "raw";

/** Maximum nesting depth of a message, as for a hub. */
const DEPTH = DATA_DEPTH + 2;

/** First private close code; each server defines its own: RFC 6455, 7.4.2. */
const PRIVATE = 3000;

/** A payload that is a complete message already. */
export class Raw {
  /** @param data a text, or a Uint8Array */
  constructor(data) {
    this.data = data;
  }
}

/** The encoder for such servers; encoding.js has the one for hubs. */
export const PLAIN_WIRE = {
  /** Such a server does not deduplicate. */
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

/** Decodes the messages of such a server, and delivers them all. */
export class PlainReceiver {
  #session;
  #answer;

  constructor(session) {
    this.#session = session;
    this.#answer = session.options.ping?.answer ?? null;
  }

  /** Handle a message. Never throws because of its content. */
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
    // Some servers put their fields beside the type, without a payload.
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

/** Whether to try again after a close code: not where the next connection would end like this one.
 * After 1000, too: libraries send it by default, whatever the reason. */
export function comesBack(code) {
  return code === NORMAL || code >= PRIVATE || mayReconnect(code);
}

/** Return a short name of a close code; private codes have none. */
export function described(code) {
  return code < PRIVATE ? describe(code) : `close code ${code}`;
}
