/** Decide which message a client sends next, and when. No I/O: the caller passes in the time. */

import { RTMON_WIRE, exactSize } from "./encoding.js";
import { OptionError } from "./errors.js";
import { Heartbeat, NoHeartbeat } from "./heartbeat.js";
import { BATCH_MESSAGES } from "./limits.js";
import { Entry, Outbox } from "./outbox.js";
import { SendRate } from "./send_rate.js";
import { PLAIN_WIRE } from "./plain_protocol.js";

/**
 * Number of messages after which the client sends a `ping`. The answer acknowledges all messages before
 * it.
 */
const PROBE_EVERY = 64;

/** Maximum size in bytes of a batch's envelope, without its messages. */
const ENVELOPE = 1_024;

/**
 * Chooses the next message within the rate limit: first heartbeats, then the client's own messages such
 * as `subscribe`, then the application's messages.
 */
export class Sender {
  sent = 0;
  #batch;
  #ping;
  #wall;
  #pacing = new SendRate();
  #messageSize;
  #prefix;
  #number = 0;
  #probe = { id: null, order: 0 };
  #asked = false;
  #heldUntil = 0;

  /**
   * @param wall function that returns milliseconds since 1970
   * @param random function that returns a number from 0 to 1, for the message ids
   */
  constructor(options, { wall, random }) {
    this.wire = options.protocol === "plain" ? PLAIN_WIRE : RTMON_WIRE;
    this.#messageSize = this.wire.messageSize;
    this.#batch = options.batch;
    this.#ping = options.ping;
    this.#wall = wall;
    this.#prefix = Math.floor(random() * 2 ** 32).toString(16);
    this.outbox = new Outbox(options, this.wire);
    this.heartbeat = heartbeatOf(options);
  }

  /**
   * Start sending on a new connection, with the limits of the server.
   *
   * @param rate messages a second
   * @param burst messages at once; null if unknown
   * @param messageSize maximum size of a message in bytes
   */
  start(now, { rate, burst, messageSize }) {
    this.#messageSize = messageSize;
    this.#pacing.start(now, { rate, burst });
    this.#probe = { id: null, order: 0 };
    this.#heldUntil = 0;
    this.heartbeat.start(now);
  }

  /** Encode a message of the application for the queue. Throws OptionError if it cannot be sent. */
  entry(type, payload, settle = null) {
    const id = this.#newId();
    const ack = settle !== null;
    const encoded = this.wire.message(type, payload, { id, timestamp: this.#wall(), ack });
    const size = this.wire.sizeOf(encoded);
    // Before the first welcome, the default limit applies. A server whose limit is lower refuses the
    // message later.
    if (size > this.#messageSize && exactSize(encoded) > this.#messageSize) {
      throw new OptionError(
        `This '${type}' is larger than the ${this.#messageSize} bytes that the server takes: ` +
          "send less, or send a file.",
      );
    }
    return new Entry({ id, type, encoded, size, settle });
  }

  /** Queue one of the client's own messages. These are sent before the application's messages. */
  control(type, payload, { settle = null, replyTo = undefined } = {}) {
    const id = this.#newId();
    const encoded = this.wire.message(type, payload, { id, timestamp: this.#wall(), replyTo });
    const entry = new Entry({ id, type, encoded, settle, control: true });
    this.outbox.putControl(entry);
    return entry;
  }

  /**
   * Queue a message such as `leave_room` behind the application's messages, even if the queue is full.
   */
  takeBack(type, payload, now, settle) {
    const entry = this.entry(type, payload, settle);
    entry.created = now;
    this.outbox.append(entry);
    return entry;
  }

  /**
   * Request an acknowledgement of all sent messages as soon as possible. Returns true if none was
   * requested before.
   */
  ask() {
    const first = !this.#asked;
    this.#asked = true;
    return first;
  }

  /** Return the data to write to the connection now; null if nothing is due. */
  next(now) {
    const room = this.#pacing.left(now);
    if (room < 1) return null;
    const unprobed = this.heartbeat.free ? this.outbox.unprobed : 0;
    if (this.heartbeat.wantsPing(now) || unprobed >= PROBE_EVERY) return this.#probeNow(now);
    // After a rate limit error, other messages are held back, but heartbeats continue.
    const held = now < this.#heldUntil;
    const control = this.outbox.nextControl(now, { refused: !held });
    if (control !== null) {
      this.#spend(1);
      return this.wire.written(control.encoded);
    }
    const data = held ? null : this.#messages(now, room);
    if (data !== null) return data;
    return this.#asked && unprobed > 0 ? this.#probeNow(now) : null;
  }

  /** Handle the server's answer to a `ping`. Returns true if the round-trip time was measured. */
  pinged(id, now) {
    if (!this.heartbeat.answered(id, now)) return false;
    if (id === this.#probe.id) this.outbox.confirm(this.#probe.order);
    return true;
  }

  /** Hold back messages until a time, because the server has temporarily refused a message. */
  pause(until = 0) {
    this.#pacing.stop();
    this.#heldUntil = Math.max(this.#heldUntil, until);
  }

  /** Return the time at which `next` must be called, if no other event happens before. */
  due(now) {
    let next = this.#pacing.left(now) < 1 ? this.#pacing.due() : this.#batchDue();
    if (now < this.#heldUntil) next = this.#heldUntil;
    return Math.min(this.heartbeat.due(now), next);
  }

  #messages(now, room) {
    const { outbox } = this;
    if (this.#batch === null) {
      const [entry] = outbox.next(now, { most: 1, size: 0 });
      if (entry === undefined) return null;
      this.#spend(1);
      return this.wire.written(entry.encoded);
    }
    const { size } = this.#batch;
    if (!this.#asked && outbox.queued < size && now < this.#batchDue()) return null;
    const most = Math.min(size, room, BATCH_MESSAGES);
    const entries = outbox.next(now, { most, size: this.#messageSize - ENVELOPE });
    if (entries.length === 0) return null;
    this.#spend(entries.length);
    const parts = entries.map(({ encoded }) => encoded);
    return this.wire.batch(parts, { id: this.#newId(), timestamp: this.#wall() });
  }

  #probeNow(now) {
    const id = this.#newId();
    const timestamp = this.#wall();
    this.heartbeat.pinged(id, now);
    this.#asked = false;
    // The server handles messages in order, so its answer acknowledges all messages sent before.
    this.#probe = { id, order: this.outbox.probe() };
    this.#spend(1);
    if (this.#ping !== null) return this.#ping.send;
    return this.wire.written(this.wire.message("ping", { timestamp }, { id, timestamp }));
  }

  #batchDue() {
    return this.#batch === null ? Infinity : this.outbox.oldest + this.#batch.delay;
  }

  #spend(messages) {
    this.sent += messages;
    this.#pacing.spend(messages);
  }

  /** Return a new message id, which is unique for this client. */
  #newId() {
    this.#number += 1;
    return `${this.#prefix}-${this.#number.toString(16)}`;
  }
}

/** Return the heartbeat that the options describe. */
function heartbeatOf({ protocol, ping, heartbeatInterval, heartbeatTimeout }) {
  if (protocol !== "plain") return new Heartbeat(heartbeatInterval, heartbeatTimeout);
  if (ping === null) return new NoHeartbeat();
  return new Heartbeat(heartbeatInterval, heartbeatTimeout, { sure: false });
}
