/**
 * The protocol of servers that are no hub: `{type, payload}` in JSON, or raw messages. Pure.
 *
 * Such a server says no welcome, knows no ids and acknowledges nothing. A page cannot send ping
 * frames, so what measures the latency is a message, which a server may answer or not.
 */

import { NORMAL, describe, mayReconnect } from "./close_codes.js";
import { DATA_DEPTH } from "./limits.js";
import { jsonOf } from "./values.js";

/** Type of a message that is no JSON object with a `type`; its payload is all of it. */
export const RAW = "raw";

/** How deep a message may nest: as with a hub. */
const DEPTH = DATA_DEPTH + 2;

/** Close codes from here on mean what each server likes: RFC 6455, 7.4.2. */
const PRIVATE = 3000;

/** A payload that is a whole message already. */
export class Raw {
  /** @param data a text, or a Uint8Array */
  constructor(data) {
    this.data = data;
  }
}

/** How messages look to such a server; encoding.js has the same for a hub. */
export const PLAIN_WIRE = {
  /** Such a server takes the same message twice for two. */
  repeatable: new Set(),
  ephemeral: new Set(),
  /** Whether it is known what has arrived. */
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

/** Takes messages for a session, and passes all of them on. */
export class PlainReceiver {
  #session;
  #answer;

  constructor(session) {
    this.#session = session;
    this.#answer = session.options.ping?.answer ?? null;
  }

  /** Take a message. Never throws for what it says. */
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
    // Some servers have their fields beside the type, and no payload.
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

/** A few words for a close code, of which the private ones have none. */
export function described(code) {
  return code < PRIVATE ? describe(code) : `close code ${code}`;
}
