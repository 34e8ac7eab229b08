/** Detect a dead connection by heartbeats. Pure: time is passed in. */

/**
 * Decides when to send a `ping`, and when the connection is dead. A `ping` is sent within `interval`;
 * without an answer within `timeout` the connection is dead.
 */
export class Heartbeat {
  /** The last round trip; null before the first. */
  rtt = null;
  #interval;
  #timeout;
  #heard = 0;
  #pinged = 0;
  #waiting = null;
  #sure;
  #answers;

  /** @param sure whether every server answers; if not, silence means nothing before the first
   *   answer of a connection */
  constructor(interval, timeout, { sure = true } = {}) {
    this.#interval = interval;
    this.#timeout = timeout;
    this.#answers = this.#sure = sure;
  }

  /** The connection is open: the first `ping` goes out at once, so that the RTT is known. */
  start(now) {
    this.#heard = now;
    this.#pinged = now - this.#interval;
    this.#waiting = null;
    this.#answers = this.#sure;
  }

  heard(now) {
    this.#heard = now;
  }

  /** The pending `ping`; null if there is none. */
  get waiting() {
    return this.#waiting;
  }

  /** True if no `ping` is pending; there is at most one. */
  get free() {
    return this.#waiting === null;
  }

  wantsPing(now) {
    return this.free && now - this.#pinged >= this.#interval;
  }

  /** Make the next `ping` due now. */
  doubt(now) {
    if (this.free) this.#pinged = Math.min(this.#pinged, now - this.#interval);
  }

  pinged(key, now) {
    this.#waiting = key;
    this.#pinged = now;
  }

  /** Handle a `pong`. Returns true if it answers the pending `ping`. */
  answered(key, now) {
    if (key === null || key !== this.#waiting) return false;
    this.#waiting = null;
    this.#answers = true;
    this.rtt = now - this.#pinged;
    return true;
  }

  /** Handle a rate limit error. Returns true if it answers the pending `ping`. */
  refused(key) {
    if (key === null || key !== this.#waiting) return false;
    this.#waiting = null;
    return true;
  }

  dead(now) {
    return now >= this.#dueDead();
  }

  /** Return when `wantsPing` or `dead` may change. */
  due(now) {
    const ping = this.#pinged + this.#interval;
    return this.free && now < ping ? ping : this.#dueDead();
  }

  #dueDead() {
    if (!this.#answers) return Infinity;
    // A ping that is overdue is held up because the transport accepts no data.
    const asked = this.#pinged + (this.free ? this.#interval : 0);
    return Math.max(asked, this.#heard) + this.#timeout;
  }
}

/** No heartbeat: no pings are sent, and silence means nothing. */
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
