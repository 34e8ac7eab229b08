/**
 * Run a client: open connections, pass data between the connection and the session, reconnect after
 * a lost connection, and deliver events.
 */

import { ABNORMAL, NORMAL } from "./close_codes.js";
import { ConnectionLost, RequestTimeout } from "./errors.js";
import { NOT_WELCOMED } from "./lifecycle.js";
import { checkToken } from "./options.js";
import { Session } from "./session.js";

/** Bytes in a connection's write buffer above which the client stops writing. */
const HIGH_WATER = 1 << 20;

/**
 * Milliseconds between two checks of a full write buffer. Polling is needed, because a WebSocket has
 * no event for a buffer that has become empty.
 */
const DRAIN = 50;

/** Maximum delay of a JavaScript timer, in milliseconds. */
const FOREVER = 2 ** 31 - 1;

export const SYSTEM_CLOCK = {
  now: () => performance.now(),
  wall: () => Date.now(),
  setTimeout: (call, delay) => setTimeout(call, delay),
  clearTimeout: (timer) => clearTimeout(timer),
};

/** One attempt to connect, and the connection that results from it. */
class Link {
  connection = null;
  opened = false;

  /** @param deadline time until which the server must have sent its welcome */
  constructor(deadline) {
    this.deadline = deadline;
  }
}

/** Runs one client: owns its session, its current connection, and its timer. */
export class Engine {
  /**
   * Functions that are called with each event of the session. An event is `{message, again}`,
   * `{chunk}`, `{rtt}`, or a change of the client's state.
   */
  listeners = [];
  #transport;
  #options;
  #clock;
  #link = null;
  /** Messages that wait until the outbox has room for them, in the order of the calls. */
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

  /** The connection on which the server has sent its welcome; null while the client is offline. */
  get connection() {
    return this.session.connected ? this.#link.connection : null;
  }

  /** Number of connections opened so far, which identifies the current connection. */
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

  /** Start to connect. */
  start() {
    this.#retryAt = this.now();
    this.step();
  }

  /** Connect now instead of waiting for the next scheduled attempt. */
  hurry() {
    if (this.#link === null && this.#retryAt !== Infinity) this.start();
  }

  /**
   * Handle a possible change of the network. A connected client sends a heartbeat, to check the
   * connection. An offline client connects now.
   */
  doubt() {
    if (this.session.connected) this.session.heartbeat.doubt(this.now());
    this.hurry();
    this.step();
  }

  /**
   * Wait until the client is connected. Rejects with ClientClosed, or with the reason of an aborted
   * signal.
   */
  async waitOpen(signal) {
    while (!this.session.connected) {
      this.session.check();
      signal?.throwIfAborted();
      await this.change();
    }
  }

  /** Wait until the server has acknowledged all sent messages. Rejects with ClientClosed. */
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
        // flush() is not awaited, because closeTimeout limits it. An error of flush() is ignored:
        // the client is closed in any case.
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

  /**
   * Queue a message as soon as the queue has room for it. Rejects with ClientClosed, OptionError or
   * QueueFull.
   */
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
    // Messages enter the queue in the order of the calls.
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

  /**
   * Send a message and wait for the server's answer. Rejects with RequestTimeout after `timeout`
   * milliseconds, which may be Infinity, or with the error of the server or of the connection.
   */
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

  /** Return a promise that resolves at the end of the next call of `step`. */
  change() {
    return this.#changed.promise;
  }

  // Running

  /**
   * Do all pending work: write queued messages, handle expired deadlines, connect, deliver events, and
   * set the timer for the next call.
   */
  step() {
    // If a callback calls this method, the loop below runs once more instead of recursing.
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
    // The delay is rounded up: a timer that fires too early would have to be set again.
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

  /**
   * Get a new token from the application and send it to the server. If this fails, the connection
   * ends when the old token expires.
   */
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

  /** Handle the end of a connection, or of an attempt to connect. */
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
      // Browsers do not tell a page whether the server is missing or rejected the handshake.
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

/** Call the application's token function, which may be asynchronous, and check its token. */
async function freshToken(token) {
  const fresh = await token();
  checkToken(fresh, "token() gave none");
  return fresh;
}

/** Return a promise together with the function that resolves it. */
function deferred() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
