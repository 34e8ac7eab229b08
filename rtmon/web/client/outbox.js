/** Queue messages until the server has acknowledged them. Pure: time is passed in. */

import { ConnectionLost, MessageExpired, QueueFull } from "./errors.js";
import { REMEMBERED } from "./limits.js";

/** One outgoing message. */
export class Entry {
  /** When it was queued. */
  created = 0;
  /** When it was first sent; null before. */
  firstSent = null;
  /** Sequence number in the queue, kept when the message is sent again. */
  number = 0;
  /** Sequence number among the sent messages. */
  order = 0;

  /**
   * @param encoded see encoding.js and plain_protocol.js
   * @param size the most bytes that it takes
   * @param settle called once with the answer or an Error; null if nobody waits
   * @param control the session's own, which each connection makes anew
   */
  constructor({ id, type, encoded, size = 0, settle = null, control = false }) {
    Object.assign(this, { id, type, encoded, size, settle, control });
    /** True if the server answers even on success. */
    this.asks = settle !== null;
  }

  /** Settle with an error. Returns true if a caller waited. */
  fail(error) {
    this.settle?.(error);
    return this.settle !== null;
  }
}

/** Outgoing messages in order, kept until the server has acknowledged them. */
export class Outbox {
  resent = 0;
  dropped = 0;
  expired = 0;
  #options;
  #control = [];
  #waiting = [];
  #sent = new Map();
  #sentControl = new Map();
  #number = 0;
  #order = 0;
  #probed = 0;
  #wire;

  /** @param wire which messages may be repeated, are of no use later, and can be confirmed */
  constructor({ queueSize, queuePolicy, queueAge }, wire) {
    this.#options = { queueSize, queuePolicy, queueAge };
    this.#wire = wire;
  }

  /** Messages that wait to be sent. */
  get queued() {
    return this.#waiting.length;
  }

  /** Messages sent and not acknowledged. */
  get unconfirmed() {
    return this.#sent.size;
  }

  get full() {
    return this.queued + this.unconfirmed >= this.#options.queueSize;
  }

  /** Messages sent since `probe`. */
  get unprobed() {
    return this.#wire.confirms ? this.#order - this.#probed : 0;
  }

  /** When the message that is next was queued; Infinity if there is none. */
  get oldest() {
    return this.#waiting[0]?.created ?? Infinity;
  }

  /** Queue a message. Returns the message dropped to make room, or null; throws QueueFull. */
  put(entry) {
    if (!this.full) {
      this.append(entry);
      return null;
    }
    const { queueSize, queuePolicy } = this.#options;
    if (queuePolicy !== "drop_oldest") {
      throw new QueueFull(
        `${queueSize} messages wait to be sent, the most that may: send less, or give a larger ` +
          "queueSize.",
      );
    }
    this.dropped += 1;
    // Only a message that is not sent yet can be dropped.
    if (this.#waiting.length === 0) return entry;
    this.append(entry);
    return this.#waiting.shift();
  }

  /** Queue a message even if the queue is full. */
  append(entry) {
    entry.number = this.#number += 1;
    this.#waiting.push(entry);
  }

  /** Queue one of the client's own messages, before all others. */
  putControl(entry) {
    entry.number = this.#number += 1;
    this.#control.push(entry);
  }

  /**
   * Take the session's own message that is to be sent now, if there is one.
   *
   * @param refused whether one may be taken that the server has refused before
   */
  nextControl(now, { refused = true } = {}) {
    const place = this.#control.findIndex((entry) => refused || entry.order === 0);
    return place < 0 ? null : this.#take(this.#control.splice(place, 1)[0], now);
  }

  /** Take up to so many messages, of up to `size` bytes together, at least one if any waits. */
  next(now, { most, size }) {
    const taken = [];
    while (this.#waiting.length > 0 && taken.length < most) {
      size -= this.#waiting[0].size;
      if (size < 0 && taken.length > 0) break;
      taken.push(this.#take(this.#waiting.shift(), now));
    }
    return taken;
  }

  #take(entry, now) {
    entry.order = this.#order += 1;
    if (entry.firstSent !== null) this.resent += 1;
    entry.firstSent ??= now;
    // Without confirmations, what is written is done.
    if (!this.#wire.confirms) return entry;
    (entry.control ? this.#sentControl : this.#sent).set(entry.id, entry);
    return entry;
  }

  /** Record what was sent so far; see `confirm`. */
  probe() {
    this.#probed = this.#order;
    return this.#order;
  }

  /** Settle the message that an answer belongs to. Returns it, if it was pending. */
  answered(id) {
    for (const sent of [this.#sent, this.#sentControl]) {
      const entry = sent.get(id);
      if (entry !== undefined) {
        sent.delete(id);
        return entry;
      }
    }
    return null;
  }

  /** Mark all messages up to here as received: the server handles them in order. */
  confirm(order) {
    for (const sent of [this.#sent, this.#sentControl]) {
      for (const [id, entry] of sent) {
        if (entry.order > order) break;
        if (!entry.asks) sent.delete(id);
      }
    }
  }

  /** Queue a rate-limited message again, before all messages that were queued after it. */
  again(entry) {
    const queue = entry.control ? this.#control : this.#waiting;
    let place = 0;
    while (place < queue.length && queue[place].number < entry.number) place += 1;
    queue.splice(place, 0, entry);
  }

  /** Ignore the answer to a message; drop it if it was not sent. */
  forget(entry) {
    const place = this.#waiting.indexOf(entry);
    if (place >= 0) this.#waiting.splice(place, 1);
    entry.settle = null;
    entry.asks = false;
  }

  /**
   * After a lost connection, queue repeatable messages again, in front.
   *
   * Returns the lost messages: not repeatable, and without a caller that waits.
   */
  lost() {
    const sent = [...this.#sent.values()];
    const { repeatable, ephemeral } = this.#wire;
    this.#waiting.unshift(...sent.filter((entry) => repeatable.has(entry.type)));
    // A rate-limited message may be older than messages that were sent after it.
    this.#waiting.sort((one, other) => one.number - other.number);
    this.#sent.clear();
    this.#sentControl.clear();
    this.#control.length = 0;
    const gone = sent.filter((entry) => !repeatable.has(entry.type));
    return gone.filter((entry) => !entry.fail(unknown(entry)) && !ephemeral.has(entry.type));
  }

  /** Drop messages that have waited too long. Returns those without a caller that waits. */
  expire(now) {
    const untold = [];
    // In the order in which they were queued, so the first one expires first.
    while (this.#waiting.length > 0 && now >= this.expires()) {
      const entry = this.#waiting.shift();
      this.expired += 1;
      if (!entry.fail(expired(entry))) untold.push(entry);
    }
    return untold;
  }

  /** When the next message will have waited too long. */
  expires() {
    if (this.#waiting.length === 0) return Infinity;
    const { created, firstSent } = this.#waiting[0];
    const ends = created + this.#options.queueAge;
    return firstSent === null ? ends : Math.min(ends, firstSent + REMEMBERED);
  }

  /** Drop everything, as the client is closed. Returns the same as `expire`. */
  end(error) {
    const entries = [...this.#sent.values(), ...this.#waiting];
    this.#sent.clear();
    this.#sentControl.clear();
    this.#control.length = this.#waiting.length = 0;
    const { ephemeral } = this.#wire;
    return entries.filter((entry) => !entry.fail(error) && !ephemeral.has(entry.type));
  }
}

function unknown({ type }) {
  return new ConnectionLost(
    `The connection was lost before the answer to '${type}' came: whether the server did it is ` +
      "not known. Ask it, or send it again if twice does no harm.",
  );
}

function expired({ type, firstSent }) {
  const arrived = " It was sent before the connection was lost, and may have arrived.";
  return new MessageExpired(
    `'${type}' waited longer than queueAge to be sent, and is dropped.` +
      (firstSent === null ? "" : arrived),
  );
}
