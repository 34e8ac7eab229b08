/** Detect a dead connection by heartbeats. No I/O: the caller passes in the time. */

/**
 * Decides when to send a `ping` message, and when the connection is dead. A `ping` is due every
 * `interval` milliseconds. If no data arrives within `timeout` milliseconds after a `ping`, the
 * connection is dead.
 */
export class Heartbeat {
  /** Round-trip time of the last answered `ping` in milliseconds; null before the first answer. */
  rtt = null;
  #interval;
  #timeout;
  #heard = 0;
  #pinged = 0;
  #waiting = null;
  #sure;
  #answers;

  /**
   * @param sure true if every server answers a `ping`. If false, a connection is regarded as dead only
   *   after the server has answered at least one `ping` on it.
   */
  constructor(interval, timeout, { sure = true } = {}) {
    this.#interval = interval;
    this.#timeout = timeout;
    this.#answers = this.#sure = sure;
  }

  /** Start for a new connection. The first `ping` is due at once, to measure the round-trip time. */
  start(now) {
    this.#heard = now;
    this.#pinged = now - this.#interval;
    this.#waiting = null;
    this.#answers = this.#sure;
  }

  /** Record that data has arrived from the server. */
  heard(now) {
    this.#heard = now;
  }

  /** Message id of the `ping` that waits for an answer; null if there is none. */
  get waiting() {
    return this.#waiting;
  }

  /** True if no `ping` waits for an answer. At most one `ping` waits at a time. */
  get free() {
    return this.#waiting === null;
  }

  /** Return true if a `ping` is due. */
  wantsPing(now) {
    return this.free && now - this.#pinged >= this.#interval;
  }

  /** Make the next `ping` due now. */
  doubt(now) {
    if (this.free) this.#pinged = Math.min(this.#pinged, now - this.#interval);
  }

  /** Record that a `ping` with the message id `key` has been sent. */
  pinged(key, now) {
    this.#waiting = key;
    this.#pinged = now;
  }

  /** Handle a `pong` to the message id `key`. Returns true if it answers the waiting `ping`. */
  answered(key, now) {
    if (key === null || key !== this.#waiting) return false;
    this.#waiting = null;
    this.#answers = true;
    this.rtt = now - this.#pinged;
    return true;
  }

  /** Handle a rate limit error for the message id `key`. Returns true if it concerns the `ping`. */
  refused(key) {
    if (key === null || key !== this.#waiting) return false;
    this.#waiting = null;
    return true;
  }

  /** Return true if the connection is dead. */
  dead(now) {
    return now >= this.#dueDead();
  }

  /** Return the earliest time at which a `ping` is due or the connection is dead. */
  due(now) {
    const ping = this.#pinged + this.#interval;
    return this.free && now < ping ? ping : this.#dueDead();
  }

  #dueDead() {
    if (!this.#answers) return Infinity;
    // An overdue ping was not sent because the connection accepts no data. It counts as sent.
    const asked = this.#pinged + (this.free ? this.#interval : 0);
    return Math.max(asked, this.#heard) + this.#timeout;
  }
}

/** Heartbeat that is switched off: sends no pings, and never regards a connection as dead. */
export class NoHeartbeat {
  rtt = null;
  waiting = null;
  free = false;

  start() {}

  heard() {}

  doubt() {}

  wantsPing() {
    return false;
  }

  answered() {
    return false;
  }

  dead() {
    return false;
  }

  due() {
    return Infinity;
  }
}
