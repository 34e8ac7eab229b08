/** A fake clock and a fake hub in memory, for tests without a network. */

import { connect } from "../../rtmon/web/rtmon.js";

/** A clock that only the test advances. */
export class FakeClock {
  #now = 1_000;
  #timers = new Map();
  #number = 0;

  now() {
    return this.#now;
  }

  wall() {
    return 1_700_000_000_000 + this.#now;
  }

  setTimeout(call, delay) {
    this.#number += 1;
    this.#timers.set(this.#number, { call, due: this.#now + delay });
    return this.#number;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  /** Advance the clock, and call the timers that become due. */
  async advance(milliseconds) {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.due <= end);
      if (due.length === 0) break;
      const [number, timer] = due.reduce((a, b) => (b[1].due < a[1].due ? b : a));
      this.#timers.delete(number);
      this.#now = Math.max(this.#now, timer.due);
      timer.call();
      await settle();
    }
    this.#now = end;
  }

  /** Advance the clock without calling timers, as while the page is in the background. */
  sleep(milliseconds) {
    this.#now += milliseconds;
  }
}

/** Run all pending microtasks and tasks. */
export function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A fake hub that implements the part of docs/protocol.md that the tests need. */
export class FakeHub {
  /** The sockets of all connections so far, the last one open if any is. */
  sockets = [];
  /** True while connections are accepted. */
  up = true;
  /** True while messages are answered. */
  answers = true;
  /** Received envelopes, also those in batches, without heartbeats. */
  got = [];
  limits = { message_size: 131_072, file_chunk: 16_384, rate: 1e9 };
  epoch = "first";
  offsets = {};
  recovered = undefined;
  /** Message type → function that answers messages of this type instead of the hub. */
  instead = {};

  get socket() {
    return this.sockets.at(-1);
  }

  /** A WebSocket class whose other end is this hub. */
  get WebSocket() {
    const hub = this;
    return class {
      bufferedAmount = 0;

      constructor(url, protocols) {
        Object.assign(this, { url: new URL(url), protocols, closed: null, open: false });
        hub.sockets.push(this);
        queueMicrotask(() => hub.#accept(this));
      }

      send(data) {
        // As in browsers: sending before the connection is open throws, and after it does nothing.
        if (!this.open && this.closed === null) throw new Error("this socket is not open yet");
        if (this.open && hub.answers) hub.#take(this, data);
      }

      close(code, reason) {
        this.end(code ?? 1005, reason);
      }

      /** End the connection, from either side. */
      end(code, reason = "") {
        if (this.closed !== null) return;
        this.closed = code;
        this.open = false;
        queueMicrotask(() => this.onclose?.({ code, reason }));
      }
    };
  }

  /** A client of this hub, with delays that are not random. */
  connect(clock, options = {}) {
    const backoff = { base: 1_000, factor: 2, max: 8_000, jitter: "none", ...options.backoff };
    return connect("ws://hub.test/", {
      WebSocket: this.WebSocket,
      clock,
      random: () => 0.5,
      fallback: false,
      ...options,
      backoff,
    });
  }

  /** Create a client like `client`, and wait until it is connected. */
  async open(clock, options) {
    const client = this.connect(clock, options);
    await client.waitOpen();
    await settle();
    return client;
  }

  /** Send a message on the last connection. */
  say(type, payload = {}, more = {}) {
    const message = { id: `h-${Math.random()}`, type, timestamp: 1, payload, ...more };
    this.socket.onmessage({ data: JSON.stringify(message) });
    return message;
  }

  /** Publish a message; `offset` is the next offset if not given. */
  publish(channel, data, offset = (this.offsets[channel] ?? 0) + 1) {
    this.offsets[channel] = offset;
    return this.say("publication", { channel, epoch: this.epoch, offset, data });
  }

  /** Cut the connection, and refuse new ones. */
  async cut() {
    this.up = false;
    this.socket.end(1006);
    await settle();
  }

  /** Accept connections again, and wait until clients have reconnected. */
  async back(clock) {
    this.up = true;
    await clock.advance(8_000);
  }

  /** Received messages of this type. */
  of(type) {
    return this.got.filter((envelope) => envelope.type === type);
  }

  /** Received chat messages. */
  texts() {
    return this.of("chat_message").map(({ payload }) => payload.text);
  }

  #accept(socket) {
    if (!this.up) {
      socket.end(1006);
      return;
    }
    socket.open = true;
    socket.onopen();
    if (!this.answers) return;
    const known = socket.url.searchParams.has("epoch");
    this.say("welcome", {
      client_id: `c${this.sockets.length}`,
      name: "ada",
      session: `s${this.sockets.length}`,
      user_count: 1,
      protocol: "1",
      server: "fake",
      epoch: this.epoch,
      offset: this.offsets.chat ?? 0,
      limits: this.limits,
      recovered: known ? (this.recovered ?? true) : undefined,
    });
  }

  #take(socket, data) {
    const envelope = typeof data === "string" ? JSON.parse(data) : { type: "binary", payload: {}, data };
    const { id, type, payload } = envelope;
    if (type === "batch") {
      this.batches = [...(this.batches ?? []), payload.messages.length];
      for (const each of payload.messages) this.#take(socket, JSON.stringify(each));
      return;
    }
    const answer = (kind, more) => {
      queueMicrotask(() => socket.open && this.say(kind, more, { reply_to: id }));
    };
    if (type === "ping") {
      answer("pong", { timestamp: payload.timestamp });
      return;
    }
    this.got.push({ ...envelope, socket });
    if (type in this.instead) {
      this.instead[type](envelope, answer);
    } else if (type === "subscribe" || type === "join_room") {
      const name = payload.channel ?? payload.room;
      const position = { epoch: this.epoch, offset: this.offsets[name] ?? 0 };
      const recovered = payload.since === undefined ? undefined : (this.recovered ?? true);
      answer("ack", { ...payload, since: undefined, ...position, recovered });
    } else if (["unsubscribe", "file_abort"].includes(type) || payload.ack) {
      answer("ack", { epoch: this.epoch, offset: this.got.length });
    } else if (type === "connect") {
      answer("welcome", { client_id: "c", session: "s", epoch: this.epoch, offset: 0 });
    }
  }
}

/** Errors that a client reports from now on. */
export function problems(client) {
  const reasons = [];
  client.onError(({ reason }) => reasons.push(reason));
  return reasons;
}
