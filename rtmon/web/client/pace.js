/** No faster than the server takes it: a bucket of messages. Pure: time is passed in. */

/** Messages at once, at most: the rest of a long queue need not come all in one breath. */
const BURST = 500;

/** Of the server's rate and burst: its clock and ours need not agree, and heartbeats count too. */
const SHARE = 0.95;

/** Of a message: less than this is lost in adding up times. */
const ROUNDING = 1e-6;

export class Pace {
  #rate = Infinity; // messages a millisecond
  #burst = BURST;
  #left = BURST;
  #when = 0;

  /**
   * A connection begins, with a full bucket.
   *
   * @param rate messages a second that the server takes
   * @param burst and at once; null if that is not known: then a second's worth
   */
  start(now, { rate, burst }) {
    this.#rate = (rate * SHARE) / 1_000;
    this.#burst = this.#left = Math.max(1, Math.min(BURST, (burst ?? rate) * SHARE));
    this.#when = now;
  }

  /** Messages that may be sent now. */
  left(now) {
    if (this.#rate === Infinity) return BURST;
    this.#left = Math.min(this.#burst, this.#left + (now - this.#when) * this.#rate);
    this.#when = now;
    // Rounding must not make it wait for nothing.
    return Math.floor(this.#left + ROUNDING);
  }

  spend(messages) {
    this.#left -= messages;
  }

  /** The server has refused one: it needs a pause. */
  stop() {
    this.#left = Math.min(this.#left, 0);
  }

  /** When the next message may be sent. */
  due() {
    if (this.#rate === Infinity || this.#left >= 1 - ROUNDING) return this.#when;
    return this.#when + (1 - this.#left) / this.#rate;
  }
}
