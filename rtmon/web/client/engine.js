/** Run a client: connect, run the session, wait, reconnect, and deliver events. */

import { ABNORMAL, NORMAL } from "./close_codes.js";
import { ConnectionLost, RequestTimeout } from "./errors.js";
import { NOT_WELCOMED } from "./lifecycle.js";
import { checkToken } from "./options.js";
import { Session } from "./session.js";

/** Maximum bytes buffered in a connection; above it nothing more is written. */
const HIGH_WATER = 1 << 20;

/** Milliseconds between two checks of that buffer, which has no event. */
const DRAIN = 50;

/** The longest that timers can wait. */
const FOREVER = 2 ** 31 - 1;

export const SYSTEM_CLOCK = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (call, delay) => setTimeout(call, delay),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** One connection, or the attempt to have one. */
class Link {
  connection = null;
  opened = false;

  /** @param deadline when the server must have spoken */
  constructor(deadline) {
    this.deadline = deadline;
  }
}

/** Runs a client's session over successive connections. */
export class Engine {
  /** Called with each event of the session: `{message, again}`, change, `{chunk}`, `{rtt}`. */
  listeners = [];
  #transport;
  #options;
  #clock;
  #link = null;
  /** Callers that wait for room in the outbox, in order. */
  #line = [];
  #retryAt = Infinity;
  #closeBy = Infinity;
  #timer = null;
  #running = false;
  #again = false;
  #changed = deferred();

  constructor(transport, options, { clock, random }) {
    this.#transport = transport;
    this.#options = options;
    this.#clock = clock;
    this.session = new Session(options, { wall: () => clock.wall(), random });
  }

  get transport() {
    return this.#transport.name;
  }

  /** The connection that the server has welcomed; null while there is none. */
  get connection() {
    return this.session.connected ? this.#link.connection : null;
  }

  /** Connections opened so far. */
  get generation() {
    return this.session.lifecycle.connections;
  }

  get state() {
    return this.session.lifecycle.state;
  }

  now() {
    return this.#clock.now();
  }

  // Opening and closing

  start() {
    this.#retryAt = this.now();
    this.step();
  }

  /** Make the next attempt now. */
  hurry() {
    if (this.#link === null && this.#retryAt !== Infinity) this.start();
  }

  /** After a possible change of the network: check the connection, or connect now. */
  doubt() {
    if (this.session.connected) this.session.heartbeat.doubt(this.now());
    this.hurry();
    this.step();
  }

  /** Resolved when it is connected; rejects with ClientClosed, or why a signal was aborted. */
  async waitOpen(signal) {
    while (!this.session.connected) {
      this.session.check();
      signal?.throwIfAborted();
      await this.change();
    }
  }

  /** Resolved when the server has all that was sent; rejects with ClientClosed. */
  async flush() {
    const { outbox, sender } = this.session;
    while (outbox.queued > 0 || outbox.unconfirmed > 0) {
      const over = this.state === "closing" && !this.session.connected;
      if (this.state === "closed" || over) throw this.session.gone();
      if (sender.ask()) this.step();
      await this.change();
    }
  }

  /** Close the client after sending its queued messages; it does not reconnect. */
  async close() {
    if (this.state !== "closing" && this.state !== "closed") {
      this.session.closing();
      this.#retryAt = Infinity;
      this.#closeBy = this.now() + this.#options.closeTimeout;
      if (this.session.connected) {
        this.step();
        // Not awaited: the deadline ends it, too, and no caller is left for a failed flush.
        this.flush().then(() => this.#link?.connection.close(NORMAL, ""), () => {});
      } else {
        this.#closed();
      }
    }
    while (this.state !== "closed") await this.change();
  }

  #closed() {
    this.#closeBy = Infinity;
    this.#cut();
    this.session.closed(this.now());
    this.step();
  }

  // Sending

  /** Queue a message as soon as there is room for it; rejects with ClientClosed, OptionError,
   * QueueFull. */
  async send(type, payload, settle = null) {
    const entry = this.session.sender.entry(type, payload, settle);
    await this.#queue(entry);
    return entry;
  }

  async #queue(entry) {
    const { session } = this;
    session.check();
    this.#line.push(entry);
    const waits = this.#options.queuePolicy === "wait";
    // First come, first served.
    while (waits && (this.#line[0] !== entry || session.outbox.full)) {
      if (session.sender.ask()) this.step();
      await this.change();
      if (!this.#line.includes(entry)) return;
      if (this.state === "closing" || this.state === "closed") break;
    }
    this.#line.splice(this.#line.indexOf(entry), 1);
    session.put(entry, this.now());
    this.step();
  }

  /** Send a message and wait for its answer, for ever if `timeout` is infinite; rejects with what
   * may go wrong. */
  async request(type, payload, timeout = this.#options.requestTimeout) {
    let timer = null;
    const answer = new Promise((resolve, reject) => {
      const settle = (result) => (result instanceof Error ? reject(result) : resolve(result));
      const entry = this.session.sender.entry(type, payload, settle);
      const late = () => {
        this.#line = this.#line.filter((each) => each !== entry);
        this.session.outbox.forget(entry);
        reject(new RequestTimeout(`There was no answer to '${type}' within ${timeout} ms.`));
        this.step();
      };
      if (timeout <= FOREVER) timer = this.#clock.setTimeout(late, timeout);
      this.#queue(entry).catch(reject);
    });
    try {
      return await answer;
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }

  /** Resolves at the next event. */
  change() {
    return this.#changed.promise;
  }

  // Running

  /** Do all pending work: read the clock, write, connect, deliver events, set the next timer. */
  step() {
    // Callbacks may call this method again; one more round is then enough.
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#again) {
        this.#again = false;
        this.#write();
        this.#watch();
        this.#passOn();
      }
    } finally {
      this.#running = false;
    }
    this.#setAlarm();
    const { resolve } = this.#changed;
    this.#changed = deferred();
    resolve();
  }

  #write() {
    const { session } = this;
    while (session.connected && this.#link.connection.buffered <= HIGH_WATER) {
      const data = session.next(this.now());
      if (data === null) return;
      this.#link.connection.send(data);
    }
  }

  #watch() {
    const { session } = this;
    const now = this.now();
    session.tick(now);
    const link = this.#link;
    if (now >= this.#closeBy) this.#closed();
    else if (link !== null && session.dead !== null) this.#ended(link, ABNORMAL, session.dead);
    else if (link !== null && !session.connected && now >= link.deadline) {
      if (link.opened) session.dead = NOT_WELCOMED;
      this.#ended(link, ABNORMAL, `there was no answer within ${this.#options.openTimeout} ms`);
    } else if (link === null && now >= this.#retryAt) this.#attempt(now);
  }

  #passOn() {
    for (const event of this.session.takeEvents()) {
      if (event.message?.type === "token_expiring") this.#refresh();
      for (const listener of this.listeners) listener(event);
    }
  }

  #setAlarm() {
    const { session } = this;
    const now = this.now();
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    if (this.state === "closed") return;
    const link = this.#link;
    let due = Math.min(session.due(now), this.#retryAt, this.#closeBy);
    if (link !== null && !session.connected) due = Math.min(due, link.deadline);
    if (session.connected && link.connection.buffered > HIGH_WATER) due = now + DRAIN;
    // A little late rather than early, and then once more.
    const delay = Math.min(Math.max(Math.ceil(due - now), 0), FOREVER);
    this.#timer = this.#clock.setTimeout(() => this.step(), delay);
  }

  // Connections

  #attempt(now) {
    const { session } = this;
    this.#retryAt = Infinity;
    session.connecting();
    const link = (this.#link = new Link(now + this.#options.openTimeout));
    const here = (what) => (...given) => {
      if (this.#link === link) what(...given);
    };
    const events = {
      onOpen: here(() => {
        link.opened = true;
        session.opened(this.now());
        this.step();
      }),
      onMessage: here((data) => {
        session.receive(data, this.now());
        this.step();
      }),
      onClose: here((code, reason, more) => this.#ended(link, code, reason, more?.retryAfter)),
    };
    const failed = (error) => {
      this.#link = null;
      this.#again = true;
      this.#later(session.failed(this.now(), error));
    };
    const open = (token) => {
      try {
        link.connection = this.#transport.open(session.query(), events, token);
      } catch (error) {
        failed(error);
      }
    };
    const { token } = this.#options;
    if (typeof token !== "function") {
      open(token);
      return;
    }
    freshToken(token)
      .then(here(open), here(failed))
      .then(() => this.step());
  }

  /** Send a fresh token; if that fails, the connection ends when the old token expires. */
  #refresh() {
    const { token } = this.#options;
    const link = this.#link;
    if (typeof token !== "function") return;
    freshToken(token)
      .then(
        (fresh) => {
          if (this.#link === link) this.session.sender.control("refresh", { token: fresh });
        },
        (error) => this.session.problem(`there is no fresh token: ${error.message}`, error),
      )
      .then(() => this.step());
  }

  /** The connection is over, or there will be none. */
  #ended(link, code, reason, retryAfter = null) {
    const { session } = this;
    const now = this.now();
    this.#cut();
    if (this.state === "closing") {
      session.connected = false;
      this.#closed();
    } else if (link.opened) {
      this.#later(session.lost(now, code, reason));
    } else {
      // Browsers report a missing server and one without this protocol in the same way.
      const what = reason || `close code ${code}`;
      const asked = this.#options.protocol === "plain" ? "" : ", and is it a hub";
      const why = `there is no connection (is the server there${asked}?): ${what}`;
      this.#later(session.failed(now, new ConnectionLost(why), retryAfter));
    }
    this.step();
  }

  #cut() {
    this.#link?.connection?.abort();
    this.#link = null;
  }

  #later(delay) {
    this.#retryAt = delay === null ? Infinity : this.now() + delay;
  }
}

/** Return the token of a function, which may be asynchronous. */
async function freshToken(token) {
  const fresh = await token();
  checkToken(fresh, "token() gave none");
  return fresh;
}

function deferred() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
