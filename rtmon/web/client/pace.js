/** No faster than the server takes it: a bucket of messages. Pure: time is passed in. */

/** Messages at once. The server takes five times as many by default, but does not say. */
const BURST = 100;

/** Of the server's rate: its clock and ours need not agree. */
const SHARE = 0.95;

export class Pace {
  #rate = Infinity; // messages a millisecond
  #burst = BURST;
  #left = BURST;
  #when = 0;

  /** A connection begins, with a full bucket; the server takes so many messages a second. */
  start(now, rate) {
    this.#rate = (rate * SHARE) / 1_000;
    this.#burst = this.#left = Math.max(1, Math.min(BURST, rate));
    this.#when = now;
  }

  /** Messages that may be sent now. */
  left(now) {
    if (this.#rate === Infinity) return BURST;
    this.#left = Math.min(this.#burst, this.#left + (now - this.#when) * this.#rate);
    this.#when = now;
    return Math.floor(this.#left);
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
    if (this.#rate === Infinity || this.#left >= 1) return this.#when;
    return this.#when + (1 - this.#left) / this.#rate;
  }
}
