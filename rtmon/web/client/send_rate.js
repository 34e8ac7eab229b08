/** Keep a client below the rate limit of its server. No I/O: the caller passes in the time. */

/** Maximum number of messages sent at once, so that a long queue is sent over a longer time. */
const BURST = 500;

/** Fraction of the server's rate and burst to use: clocks differ, and heartbeats count too. */
const SHARE = 0.95;

/** Rounding error, as a fraction of a message, that is tolerated in the token bucket. */
const ROUNDING = 1e-6;

/** A token bucket with the rate and burst of the server's welcome. */
export class SendRate {
  #rate = Infinity; // messages a millisecond
  #burst = BURST;
  #left = BURST;
  #when = 0;

  /**
   * Begin a connection with a full bucket.
   *
   * @param rate the server's limit in messages a second
   * @param burst number of messages that the server accepts at once; null if unknown, which means the
   *   messages of one second
   */
  start(now, { rate, burst }) {
    this.#rate = (rate * SHARE) / 1_000;
    this.#burst = this.#left = Math.max(1, Math.min(BURST, (burst ?? rate) * SHARE));
    this.#when = now;
  }

  /** Return how many messages may be sent now. */
  left(now) {
    if (this.#rate === Infinity) return BURST;
    this.#left = Math.min(this.#burst, this.#left + (now - this.#when) * this.#rate);
    this.#when = now;
    // Without the tolerance, a rounding error could delay a message.
    return Math.floor(this.#left + ROUNDING);
  }

  /** Take sent messages out of the token bucket. */
  spend(messages) {
    this.#left -= messages;
  }

  /** Empty the token bucket after a rate limit error of the server. */
  stop() {
    this.#left = Math.min(this.#left, 0);
  }

  /** Return the time at which the next message may be sent. */
  due() {
    if (this.#rate === Infinity || this.#left >= 1 - ROUNDING) return this.#when;
    return this.#when + (1 - this.#left) / this.#rate;
  }
}
