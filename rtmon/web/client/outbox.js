/** Queue outgoing messages until the server has acknowledged them. No I/O: time is passed in. */

import { ConnectionLost, MessageExpired, QueueFull } from "./errors.js";
import { REMEMBERED } from "./limits.js";

/** One outgoing message in the queue. */
export class Entry {
  /** Time at which the message was queued. */
  created = 0;
  /** Time at which the message was first sent; null if it was not sent yet. */
  firstSent = null;
  /** Sequence number in the queue, kept when the message is sent again. */
  number = 0;
  /** Sequence number of the last sending of the message; 0 if it was not sent yet. */
  order = 0;

  /**
   * @param encoded the encoded message, from encoding.js or plain_protocol.js
   * @param size upper bound for the size of the message in bytes
   * @param settle called once with the server's answer or an Error; null if no caller waits
   * @param control true for the client's own messages, such as `subscribe`. They are not sent again
   *   after a reconnect, because each new connection creates its own.
   */
  constructor({ id, type, encoded, size = 0, settle = null, control = false }) {
    Object.assign(this, { id, type, encoded, size, settle, control });
    /** True if the server answers the message even on success. */
    this.asks = settle !== null;
  }

  /** Report an error to the caller who waits for the answer. Returns false if no caller waits. */
  fail(error) {
    this.settle?.(error);
    return this.settle !== null;
  }
}

/** The queue of outgoing messages. A message stays in it until the server has acknowledged it. */
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

  /** @param wire the encoder, which knows which message types may be sent again after a reconnect */
  constructor({ queueSize, queuePolicy, queueAge }, wire) {
    this.#options = { queueSize, queuePolicy, queueAge };
    this.#wire = wire;
  }

  /** Number of messages that wait to be sent. */
  get queued() {
    return this.#waiting.length;
  }

  /** Number of messages that were sent and are not acknowledged yet. */
  get unconfirmed() {
    return this.#sent.size;
  }

  /** True if the queue holds `queueSize` messages, sent and unsent. */
  get full() {
    return this.queued + this.unconfirmed >= this.#options.queueSize;
  }

  /** Number of messages sent since the last call of `probe`. */
  get unprobed() {
    return this.#wire.confirms ? this.#order - this.#probed : 0;
  }

  /** Time at which the next message to be sent was queued; Infinity if the queue is empty. */
  get oldest() {
    return this.#waiting[0]?.created ?? Infinity;
  }

  /**
   * Queue a message. Returns the message that was dropped to make room, or null. Throws QueueFull,
   * depending on the queue policy.
   */
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
    // Only a message that was not sent yet can be dropped. If there is none, drop the new message.
    if (this.#waiting.length === 0) return entry;
    this.append(entry);
    return this.#waiting.shift();
  }

  /** Queue a message even if the queue is full. */
  append(entry) {
    entry.number = this.#number += 1;
    this.#waiting.push(entry);
  }

  /** Queue one of the client's own messages. These are sent before the application's messages. */
  putControl(entry) {
    entry.number = this.#number += 1;
    this.#control.push(entry);
  }

  /**
   * Remove and return the next of the client's own messages; null if there is none.
   *
   * @param refused true if the result may be a message that the server has refused before
   */
  nextControl(now, { refused = true } = {}) {
    const place = this.#control.findIndex((entry) => refused || entry.order === 0);
    return place < 0 ? null : this.#take(this.#control.splice(place, 1)[0], now);
  }

  /**
   * Remove and return the next messages of the application: at most `most` messages with a total of
   * at most `size` bytes. If the queue is not empty, at least one message is returned.
   */
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
    // A server without acknowledgements: a message is done once it is written to the connection.
    if (!this.#wire.confirms) return entry;
    (entry.control ? this.#sentControl : this.#sent).set(entry.id, entry);
    return entry;
  }

  /** Return the sequence number of the last sent message, to be passed to `confirm` later. */
  probe() {
    this.#probed = this.#order;
    return this.#order;
  }

  /** Remove and return the sent message that the server has answered; null if it is unknown. */
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

  /**
   * Remove all sent messages up to a sequence number, except those whose answer is still expected.
   * The server has received them, because it handles messages in order.
   */
  confirm(order) {
    for (const sent of [this.#sent, this.#sentControl]) {
      for (const [id, entry] of sent) {
        if (entry.order > order) break;
        if (!entry.asks) sent.delete(id);
      }
    }
  }

  /**
   * Queue a message again that the server has refused because of the rate limit. It keeps its place
   * before all messages that were queued later.
   */
  again(entry) {
    const queue = entry.control ? this.#control : this.#waiting;
    let place = 0;
    while (place < queue.length && queue[place].number < entry.number) place += 1;
    queue.splice(place, 0, entry);
  }

  /** Ignore the answer to a message from now on. If the message was not sent yet, drop it. */
  forget(entry) {
    const place = this.#waiting.indexOf(entry);
    if (place >= 0) this.#waiting.splice(place, 1);
    entry.settle = null;
    entry.asks = false;
  }

  /**
   * Handle a lost connection: queue the unacknowledged messages again that may be sent twice.
   *
   * Returns the messages that may be lost and that no caller waits for.
   */
  lost() {
    const sent = [...this.#sent.values()];
    const { repeatable, ephemeral } = this.#wire;
    this.#waiting.unshift(...sent.filter((entry) => repeatable.has(entry.type)));
    // A message that was refused and queued again may be older than the sent messages.
    this.#waiting.sort((one, other) => one.number - other.number);
    this.#sent.clear();
    this.#sentControl.clear();
    this.#control.length = 0;
    const gone = sent.filter((entry) => !repeatable.has(entry.type));
    return gone.filter((entry) => !entry.fail(unknown(entry)) && !ephemeral.has(entry.type));
  }

  /** Drop messages that have waited too long. Returns those that no caller waits for. */
  expire(now) {
    const untold = [];
    // The queue is ordered by age, so the first message expires first.
    while (this.#waiting.length > 0 && now >= this.expires()) {
      const entry = this.#waiting.shift();
      this.expired += 1;
      if (!entry.fail(expired(entry))) untold.push(entry);
    }
    return untold;
  }

  /** Return the time at which the first message in the queue expires; Infinity if it is empty. */
  expires() {
    if (this.#waiting.length === 0) return Infinity;
    const { created, firstSent } = this.#waiting[0];
    const ends = created + this.#options.queueAge;
    return firstSent === null ? ends : Math.min(ends, firstSent + REMEMBERED);
  }

  /** Drop all messages of a closed client. Returns those that no caller waits for. */
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
