/** Decide if and when a client reconnects. Pure: time is passed in. */

import { NORMAL, NO_TOKEN, TOKEN_EXPIRED, describe, mayReconnect } from "./close_codes.js";
import { ConnectionLost } from "./errors.js";
import { comesBack, described } from "./plain_protocol.js";

/** The reason when a server accepts a connection and does not speak the protocol. */
export const NOT_WELCOMED = "the server said no welcome: is it a hub? If not, give protocol: 'plain'.";

/** The longest that a server can ask clients to wait, so that a slip of a few digits does not send
 * them away for good. */
const LONGEST_WAIT = 3_600_000;

/** Of a wait, what is left to chance. */
const SHARES = { full: 1, none: 0 };

/** Return the wait after a number of failures in a row, from 1; null to give up. */
export function backoffDelay({ base, factor, max, jitter, attempts }, failures, random) {
  if (attempts !== null && failures > attempts) return null;
  const bound = Math.min(max, base * factor ** (failures - 1));
  const share = SHARES[jitter] ?? jitter;
  return share === 0 ? bound : bound * (1 - share) + random() * bound * share;
}

export function change(what, state, more = {}) {
  const nothing = { code: null, reason: "", attempt: 0, delay: null, downtime: null, error: null };
  return { what, state, ...nothing, ...more };
}

export class Lifecycle {
  state = "connecting";
  attempts = 0;
  connections = 0;
  /** In a row. */
  failures = 0;
  /** The error for which the client gave up; null if it did not. */
  ended = null;
  #backoff;
  #stableAfter;
  #random;
  #token;
  #opened = null;
  #away = null;
  #downtime = 0;
  #plain;

  constructor({ backoff, stableAfter, token, protocol }, random) {
    // The private close codes mean what they do to a hub's clients only.
    this.#plain = protocol === "plain";
    this.#backoff = backoff;
    this.#stableAfter = stableAfter;
    this.#random = random;
    this.#token = token;
  }

  /** Return the time without a connection after the first one, up to now. */
  downtime(now) {
    return this.#downtime + (this.#away === null ? 0 : now - this.#away);
  }

  attempt() {
    this.attempts += 1;
    return change("connecting", this.state, { attempt: this.failures });
  }

  /** Handle the server's welcome, or the opening of a plain connection. */
  opened(now) {
    this.connections += 1;
    this.#opened = now;
    this.state = "open";
    const attempt = this.failures;
    if (this.#away === null) return change("open", "open", { attempt });
    const downtime = now - this.#away;
    this.#downtime += downtime;
    this.#away = null;
    return change("reconnect", "open", { attempt, downtime });
  }

  /** Handle a failed attempt. Returns the changes; the last one's delay is that of the next attempt. */
  failed(now, error, retryAfter = null) {
    this.failures += 1;
    const delay = this.#delay(retryAfter);
    const reason = error.message;
    if (delay === null) this.#end(now);
    const said = change("error", this.state, {
      reason,
      attempt: this.failures,
      delay,
      error,
    });
    return delay === null ? [said, this.#giveUp(null, reason, error)] : [said];
  }

  /** Take the end of a connection that the user did not ask for; one that the server never
   * welcomed is a failed attempt. Returns as `failed`. */
  lost(now, code, reason, { retry = null, retryAfter = null } = {}) {
    const welcomed = this.#opened !== null;
    if (welcomed) {
      if (now - this.#opened >= this.#stableAfter) this.failures = 0;
      this.#opened = null;
      this.#away = now;
      this.state = "reconnecting";
    }
    this.failures += 1;
    const back = retry ?? (this.#plain ? comesBack : mayReconnect)(code);
    const delay = back && this.#hasToken(code) ? this.#delay(retryAfter) : null;
    const named = (this.#plain ? described : describe)(code);
    reason ||= welcomed ? named : `${NOT_WELCOMED} It closed with ${code}, ${named}`;
    const error = welcomed ? null : new ConnectionLost(reason);
    if (delay === null) this.#end(now);
    const said = change(welcomed ? "close" : "error", this.state, {
      code,
      reason,
      attempt: this.failures,
      delay,
      error,
    });
    return delay === null ? [said, this.#giveUp(code, reason, error)] : [said];
  }

  closing() {
    this.state = "closing";
    return change("closing", "closing");
  }

  /** Close, as the user asked. */
  closed(now) {
    this.#end(now);
    return change("close", "closed", { code: NORMAL, reason: "closed here" });
  }

  /** True if the token differs from the one that the server rejected. */
  #hasToken(code) {
    if (this.#plain) return true;
    if (code === TOKEN_EXPIRED) return typeof this.#token === "function";
    return code !== NO_TOKEN || this.#token !== undefined;
  }

  #delay(retryAfter) {
    const delay = backoffDelay(this.#backoff, this.failures, this.#random);
    if (delay === null || retryAfter === null) return delay;
    // Added to the server's delay, which is the same for all of its clients.
    return Math.min(Math.max(retryAfter, 0), LONGEST_WAIT) + delay;
  }

  #giveUp(code, reason, error) {
    this.ended = change("gave_up", "closed", { code, reason, attempt: this.failures, error });
    return this.ended;
  }

  #end(now) {
    this.#downtime = this.downtime(now);
    this.#away = null;
    this.state = "closed";
  }
}
