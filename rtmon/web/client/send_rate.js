/** Keep a client below the rate limit of its server. Pure: time is passed in. */

/** Maximum number of messages sent at once, so that a long queue is spread over time. */
const BURST = 500;

/** Fraction of the server's rate and burst to use: clocks differ, and heartbeats count too. */
const SHARE = 0.95;

/** Of a message: less than this is lost in adding up times. */
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
   * @param rate messages a second that the server takes
   * @param burst and at once; null if that is not known: then a second's worth
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
    // Rounding must not make it wait for nothing.
    return Math.floor(this.#left + ROUNDING);
  }

  /** Count messages that were sent. */
  spend(messages) {
    this.#left -= messages;
  }

  /** Pause after a rate limit error of the server. */
  stop() {
    this.#left = Math.min(this.#left, 0);
  }

  /** Return when the next message may be sent. */
  due() {
    if (this.#rate === Infinity || this.#left >= 1 - ROUNDING) return this.#when;
    return this.#when + (1 - this.#left) / this.#rate;
  }
}
