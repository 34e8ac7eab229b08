/** Decide if and when a client reconnects. No I/O: the caller passes in the time. */

import { NORMAL, NO_TOKEN, TOKEN_EXPIRED, describe, mayReconnect } from "./close_codes.js";
import { ConnectionLost } from "./errors.js";
import { comesBack, described } from "./plain_protocol.js";

/** Reason of the failure when a server accepts a connection but sends no `welcome` message. */
export const NOT_WELCOMED = "the server said no welcome: is it a hub? If not, give protocol: 'plain'.";

/**
 * Maximum milliseconds for which a server can ask clients to wait before they reconnect. It limits the
 * harm of a value that is too large by mistake.
 */
const LONGEST_WAIT = 3_600_000;

/** Fraction of a wait that is random, for the two named values of the option `jitter`. */
const SHARES = { full: 1, none: 0 };

/**
 * Return the milliseconds to wait before the next attempt; null if there is no further attempt.
 *
 * @param failures number of failures in a row, at least 1
 */
export function backoffDelay({ base, factor, max, jitter, attempts }, failures, random) {
  if (attempts !== null && failures > attempts) return null;
  const bound = Math.min(max, base * factor ** (failures - 1));
  const share = SHARES[jitter] ?? jitter;
  return share === 0 ? bound : bound * (1 - share) + random() * bound * share;
}

/** Return a change of the client's state: the value that callbacks such as `onClose` receive. */
export function change(what, state, more = {}) {
  const nothing = { code: null, reason: "", attempt: 0, delay: null, downtime: null, error: null };
  return { what, state, ...nothing, ...more };
}

/** The state of a client across its connections, and its counts of attempts and failures. */
export class Lifecycle {
  state = "connecting";
  attempts = 0;
  connections = 0;
  /** Number of failures in a row. */
  failures = 0;
  /** The change `gave_up`, once the client has stopped reconnecting; null before. */
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
    // The private close codes 4000 to 4999 have the hub's meaning only if the server is a hub.
    this.#plain = protocol === "plain";
    this.#backoff = backoff;
    this.#stableAfter = stableAfter;
    this.#random = random;
    this.#token = token;
  }

  /** Return the total milliseconds without a connection since the first connection was opened. */
  downtime(now) {
    return this.#downtime + (this.#away === null ? 0 : now - this.#away);
  }

  /** Record the start of an attempt to connect. */
  attempt() {
    this.attempts += 1;
    return change("connecting", this.state, { attempt: this.failures });
  }

  /** Handle the welcome of a hub, or the opening of a connection to another server. */
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

  /**
   * Handle a failed attempt to connect. Returns the changes to report. The `delay` of the last change
   * is the time until the next attempt; null if there is none.
   */
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

  /**
   * Handle the end of a connection that the application has not closed. If the server had not sent
   * its welcome, this counts as a failed attempt. Returns the changes to report, as `failed` does.
   */
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

  /** Record that the application closes the client. */
  closing() {
    this.state = "closing";
    return change("closing", "closing");
  }

  /** Record that the client is closed, after the application has requested it. */
  closed(now) {
    this.#end(now);
    return change("close", "closed", { code: NORMAL, reason: "closed here" });
  }

  /**
   * Return false if the close code says that the token is missing or expired and the client has no
   * other token.
   */
  #hasToken(code) {
    if (this.#plain) return true;
    if (code === TOKEN_EXPIRED) return typeof this.#token === "function";
    return code !== NO_TOKEN || this.#token !== undefined;
  }

  #delay(retryAfter) {
    const delay = backoffDelay(this.#backoff, this.failures, this.#random);
    if (delay === null || retryAfter === null) return delay;
    // The client's own random delay is added to the server's delay. Otherwise all clients of the
    // server would reconnect at the same moment.
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
