/** Whether the link is alive, as seen from here. Pure: time is passed in. */

/**
 * Says when to send a `ping`, and when nothing came back for too long. However a link dies, the
 * next `ping` goes out within `interval`, and is given `timeout`.
 */
export class Heartbeat {
  /** What the last answer took; null before the first. */
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

  /** The `ping` that is under way; null if there is none. */
  get waiting() {
    return this.#waiting;
  }

  /** Whether no `ping` is under way; there is one at a time. */
  get free() {
    return this.#waiting === null;
  }

  wantsPing(now) {
    return this.free && now - this.#pinged >= this.#interval;
  }

  /** There is reason to doubt: ask at once. */
  doubt(now) {
    if (this.free) this.#pinged = Math.min(this.#pinged, now - this.#interval);
  }

  pinged(key, now) {
    this.#waiting = key;
    this.#pinged = now;
  }

  /** A `pong` came. Returns whether it answers the `ping` that is under way. */
  answered(key, now) {
    if (key === null || key !== this.#waiting) return false;
    this.#waiting = null;
    this.#answers = true;
    this.rtt = now - this.#pinged;
    return true;
  }

  /** The server was asked too much; it is alive, though. Returns whether by a `ping`. */
  refused(key) {
    if (key === null || key !== this.#waiting) return false;
    this.#waiting = null;
    return true;
  }

  dead(now) {
    return now >= this.#dueDead();
  }

  /** When to look again: `wantsPing` or `dead` may have changed. */
  due(now) {
    const ping = this.#pinged + this.#interval;
    return this.free && now < ping ? ping : this.#dueDead();
  }

  #dueDead() {
    if (!this.#answers) return Infinity;
    // A ping that is due and still not sent is held up by a link that takes nothing.
    const asked = this.#pinged + (this.free ? this.#interval : 0);
    return Math.max(asked, this.#heard) + this.#timeout;
  }
}

/** No heartbeat at all: nothing is asked, and silence means nothing. */
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
