/** Decode messages from a hub, and call the part of the client that handles each type. No I/O. */

import { POSITIONED } from "./catalog.js";
import { checkEnvelope, decode, decoded } from "./encoding.js";
import { ProtocolError } from "./errors.js";
import { CHAT, placeKey, positionOf } from "./positions.js";

/** Error codes of the hub after which the client sends the refused message again. */
const LATER = new Set(["rate_limited", "overloaded", "unavailable"]);

/** Maximum milliseconds after which a client sends a refused message again. */
const LONGEST_WAIT = 30_000;

/** Handles the messages received over a connection. */
export class Receiver {
  #session;

  constructor(session) {
    this.#session = session;
  }

  /** Handle a received message. Never throws because of the message's content. */
  receive(data, now) {
    try {
      const { chunk, envelope } = decode(data);
      if (chunk !== undefined) this.#session.tell({ chunk });
      else this.#handle(envelope, now);
    } catch (error) {
      // The server may be newer than this client. The error is reported, and later messages are
      // handled as usual.
      this.#session.problem(`a message of the server cannot be read: ${error.message}`, error);
    }
  }

  #handle(envelope, now) {
    const session = this.#session;
    const { type, reply_to: replyTo = null } = envelope;
    if (type === "batch") {
      for (const each of envelope.payload.messages) {
        checkEnvelope(each);
        this.#handle(each, now);
      }
      return;
    }
    session.received += 1;
    // A hub's first message is its welcome. Earlier messages come from another kind of server.
    if (!session.connected && type !== "welcome") return;
    const payload = decoded(envelope.payload);
    if (type === "welcome") this.#welcome(envelope, payload, now);
    else if (type === "pong") this.#pong(replyTo, now);
    else if (type === "ping") this.#ping(envelope.id, payload);
    else if (type === "error") this.#refused(replyTo, payload, now);
    else if (!this.#answered(envelope, payload)) {
      if (type === "disconnect") this.#goodbye(payload);
      else if (type === "gap") this.#gap(payload);
      this.#deliver(envelope, payload);
    }
  }

  #welcome(envelope, payload, now) {
    const session = this.#session;
    if (session.connected) {
      // This second welcome is the answer to `connect`. Its chat position is outdated: it was taken
      // when the connection was opened.
      session.outbox.answered(envelope.reply_to);
      return;
    }
    if (session.lifecycle.state === "closing") return;
    if (typeof payload.client_id !== "string" || typeof payload.session !== "string") {
      throw new TypeError("its welcome says not who one is");
    }
    this.#place(session.places.get(CHAT), payload);
    session.welcomed(payload, now);
    this.#deliver(envelope, payload);
  }

  #pong(replyTo, now) {
    const session = this.#session;
    if (session.sender.pinged(replyTo, now)) session.tell({ rtt: session.heartbeat.rtt });
  }

  #ping(id, { timestamp }) {
    this.#session.sender.control("pong", { timestamp }, { replyTo: id });
  }

  #goodbye({ retry, retry_after: retryAfter }) {
    this.#session.retry = typeof retry === "boolean" ? retry : null;
    if (typeof retryAfter === "number") this.#session.retryAfter = retryAfter * 1_000;
  }

  #answered(envelope, payload) {
    const entry = this.#session.outbox.answered(envelope.reply_to);
    if (entry === null) return false;
    entry.settle?.(messageOf(envelope, payload, { position: positionOf(payload) }));
    return true;
  }

  #refused(replyTo, payload, now) {
    const session = this.#session;
    const { code, message, retry } = payload;
    const error = new ProtocolError(String(code), String(message), { retry: retry === true });
    const entry = session.outbox.answered(replyTo);
    if (LATER.has(code)) {
      session.sender.pause(now + waitOf(payload.retry_after));
      if (session.heartbeat.refused(replyTo)) return;
      if (entry !== null) {
        session.outbox.again(entry);
        return;
      }
    }
    if (entry === null || !entry.fail(error)) session.problem(error.message, error);
  }

  // Places

  /** Handle the server's answer to `join_room` or `subscribe`: a message, or an Error. */
  entered(place, answer) {
    const session = this.#session;
    if (!(answer instanceof Error)) {
      place.entered = true;
      this.#place(place, answer.payload);
    } else if (answer.code === "invalid_position") {
      place.cursor.lost = true;
      place.cursor.position = null;
      session.gaps += 1;
      for (const watcher of [...place.watchers]) watcher.entered(true);
    } else if (answer instanceof ProtocolError) {
      session.places.delete(place.key);
      for (const watcher of [...place.watchers]) watcher.refused(answer);
    }
  }

  #place(place, payload) {
    // A pattern has no history to recover from.
    const lost = place.pattern
      ? place.cursor.entered(null, place.been ? false : undefined)
      : place.cursor.entered(positionOf(payload), payload.recovered);
    place.been = true;
    if (lost) this.#session.gaps += 1;
    for (const watcher of [...place.watchers]) watcher.entered(lost);
  }

  #gap(payload) {
    const kind = ["room", "channel"].find((each) => Object.hasOwn(payload, each)) ?? "chat";
    const place = this.#session.places.get(placeKey(kind, kind === "chat" ? "" : payload[kind]));
    if (place?.entered) this.#place(place, payload);
  }

  #deliver(envelope, payload) {
    const session = this.#session;
    const { type } = envelope;
    let [gap, again, position] = [false, false, null];
    if (Object.hasOwn(POSITIONED, type)) {
      position = positionOf(payload);
      const kind = POSITIONED[type];
      const place = session.places.get(placeKey(kind, kind === "chat" ? "" : payload[kind]));
      // The client has asked to recover missed messages. The server sends this one again with them.
      if (place?.been && !place.entered) return;
      if (place?.entered && position !== null) {
        const known = place.cursor.lost;
        const taken = place.cursor.take(position);
        if (taken === null) {
          session.duplicates += 1;
          return;
        }
        gap = taken;
        if (gap && !known) session.gaps += 1;
        again = place.again(position);
      }
    }
    session.tell({ message: messageOf(envelope, payload, { position, gap }), again });
  }
}

/** Return the milliseconds before a refused message is sent again: the server's value, limited. */
function waitOf(retryAfter) {
  return Number.isFinite(retryAfter) ? Math.min(Math.max(retryAfter * 1_000, 0), LONGEST_WAIT) : 0;
}

function messageOf(envelope, payload, { position = null, gap = false } = {}) {
  const { type, id = null, timestamp = null } = envelope;
  const { channel = null, client_id: clientId = null, name = null } = payload;
  return Object.freeze({ type, payload, id, timestamp, channel, clientId, name, position, gap });
}
