/** What is to be sent, and what was sent but may not have arrived. Pure: time is passed in. */

import { ConnectionLost, MessageExpired, QueueFull } from "./errors.js";
import { REMEMBERED } from "./limits.js";

/** One message on its way out. */
export class Entry {
  /** When it was queued. */
  created = 0;
  /** When it was first sent; null before. */
  firstSent = null;
  /** Its place among all that was queued; it keeps that however often it is sent. */
  number = 0;
  /** Its number among what was sent. */
  order = 0;

  /**
   * @param encoded see encoding.js and plain_protocol.js
   * @param size the most bytes that it takes
   * @param settle called once with the answer or an Error; null if nobody waits
   * @param control the session's own, which each connection makes anew
   */
  constructor({ id, type, encoded, size = 0, settle = null, control = false }) {
    Object.assign(this, { id, type, encoded, size, settle, control });
    /** Whether an answer comes even if all went well. */
    this.asks = settle !== null;
  }

  /** It will not be done. Returns whether anybody was told. */
  fail(error) {
    this.settle?.(error);
    return this.settle !== null;
  }
}

/** Messages in the order in which they are sent, held until the server has them. */
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

  /** Messages sent that the server is not known to have. */
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

  /** Queue a message. Returns the one that was dropped for it, or null; throws QueueFull. */
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
    // What was sent already cannot be taken back: only what waits makes room.
    if (this.#waiting.length === 0) return entry;
    this.append(entry);
    return this.#waiting.shift();
  }

  /** Queue a message, whether there is room for it or not. */
  append(entry) {
    entry.number = this.#number += 1;
    this.#waiting.push(entry);
  }

  /** Queue one of the session's own messages, before all others. */
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

  /** Note what was sent so far; see `confirm`. */
  probe() {
    this.#probed = this.#order;
    return this.#order;
  }

  /** An answer came: the message has arrived. Returns it, if it was waited for. */
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

  /** All that was sent up to here has arrived: the server takes messages in order. */
  confirm(order) {
    for (const sent of [this.#sent, this.#sentControl]) {
      for (const [id, entry] of sent) {
        if (entry.order > order) break;
        if (!entry.asks) sent.delete(id);
      }
    }
  }

  /** Queue what the server did not take for now, before all that was queued after it. */
  again(entry) {
    const queue = entry.control ? this.#control : this.#waiting;
    let place = 0;
    while (place < queue.length && queue[place].number < entry.number) place += 1;
    queue.splice(place, 0, entry);
  }

  /** Nobody waits for the answer any more; what was not sent is not sent. */
  forget(entry) {
    const place = this.#waiting.indexOf(entry);
    if (place >= 0) this.#waiting.splice(place, 1);
    entry.settle = null;
    entry.asks = false;
  }

  /**
   * The connection is lost. What may be sent again is queued again, in front.
   *
   * Returns what may not, and nobody waits for: whether it arrived is not known.
   */
  lost() {
    const sent = [...this.#sent.values()];
    const { repeatable, ephemeral } = this.#wire;
    this.#waiting.unshift(...sent.filter((entry) => repeatable.has(entry.type)));
    // What was refused and waits may be older than what was sent after it.
    this.#waiting.sort((one, other) => one.number - other.number);
    this.#sent.clear();
    this.#sentControl.clear();
    this.#control.length = 0;
    const gone = sent.filter((entry) => !repeatable.has(entry.type));
    return gone.filter((entry) => !entry.fail(unknown(entry)) && !ephemeral.has(entry.type));
  }

  /** Drop what has waited too long. Returns what nobody waits for, for somebody to be told. */
  expire(now) {
    const untold = [];
    // In the order in which they were queued, so the first is the first to be too old.
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

  /** Nothing will be sent any more. Returns what nobody waits for, for somebody to be told. */
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
