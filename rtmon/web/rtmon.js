/**
 * The browser client of the rtmon hub. It reconnects, recovers missed messages, and reports gaps.
 * It needs no build step. The types and the documentation of all methods are in rtmon.d.ts.
 */

import { ACKNOWLEDGED } from "./client/catalog.js";
import { NORMAL } from "./client/close_codes.js";
import { Engine, SYSTEM_CLOCK } from "./client/engine.js";
import { OptionError, RequestTimeout } from "./client/errors.js";
import { withFallback } from "./client/fallback.js";
import { Files } from "./client/files.js";
import { complete } from "./client/options.js";
import { RAW, Raw } from "./client/plain_protocol.js";
import { eventStreamTransport } from "./client/sse.js";
import { Membership, Buffer, Subscription } from "./client/subscription.js";
import { bytesOf } from "./client/values.js";
import { webSocketTransport } from "./client/websocket.js";

export { MESSAGE_TYPES } from "./client/catalog.js";
export {
  ClientClosed,
  ConnectionLost,
  MessageExpired,
  OptionError,
  ProtocolError,
  QueueFull,
  RequestTimeout,
  RtmonError,
} from "./client/errors.js";

/** Maximum number of messages held for a reader that has not begun to iterate over the client. */
const UNREAD = 1_000;

export function connect(url, given = {}) {
  const { WebSocket, fetch, fallback, transport, clock, random, ...rest } = given;
  const options = complete(rest);
  const plain = options.protocol === "plain";
  const way = transport ?? transportOf(url, { WebSocket, fetch, fallback, plain });
  return new Client(way, options, clock ?? SYSTEM_CLOCK, random ?? Math.random);
}

function transportOf(url, { WebSocket, fetch, fallback, plain }) {
  if (plain) {
    if (fallback) throw new OptionError("fallback is for a hub: leave it out with protocol 'plain'.");
    return webSocketTransport(url, { WebSocket, subprotocols: [] });
  }
  fallback ??= true;
  const direct = webSocketTransport(url, { WebSocket });
  if (fallback === false) return direct;
  return withFallback(direct, eventStreamTransport(fallback === true ? url : fallback, { fetch }));
}

export class Client {
  #engine;
  #options;
  #clock;
  #membership;
  #files;
  #handlers = new Map();
  #messages = new Buffer(UNREAD);
  #read = false;
  #unwatch;

  /** Called by `connect`. */
  constructor(transport, options, clock, random) {
    this.#options = options;
    this.#clock = clock;
    this.#engine = new Engine(transport, options, { clock, random });
    this.#files = new Files(this.#engine, clock);
    this.#membership = new Membership(this.#engine, {
      call,
      publish: async (channel, data) => {
        await this.publish(channel, data);
      },
    });
    this.#engine.listeners.push((event) => this.#listen(event));
    this.#unwatch = watchPage(() => this.#engine.doubt());
    this.#engine.start();
  }

  get state() {
    return this.#engine.state;
  }

  get isOpen() {
    return this.#engine.state === "open";
  }

  get clientId() {
    return this.#engine.session.clientId;
  }

  get rtt() {
    return this.#engine.session.heartbeat.rtt;
  }

  get transport() {
    return this.#engine.transport;
  }

  get stats() {
    return this.#engine.session.stats(this.#engine.now());
  }

  // Opening and closing

  async waitOpen({ timeout } = {}) {
    if (timeout === undefined) return this.#engine.waitOpen();
    let timer;
    const late = new Promise((_, reject) => {
      timer = this.#clock.setTimeout(() => {
        const why = `The last attempt: ${this.#engine.session.lastProblem}`;
        reject(new RequestTimeout(`There was no connection within ${timeout} ms. ${why}`));
      }, timeout);
    });
    try {
      return await Promise.race([this.#engine.waitOpen(), late]);
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }

  reconnect() {
    this.#engine.hurry();
  }

  close() {
    return this.#engine.close();
  }

  // Sending

  async send(type, payload = {}) {
    await this.#engine.send(type, payload);
  }

  async sendRaw(data) {
    if (this.#options.protocol !== "plain" || this.#options.batch !== null) {
      throw new OptionError("sendRaw() needs protocol: 'plain' and no batch: use send().");
    }
    // The bytes are copied, because the application may change its own array later.
    const whole = typeof data === "string" ? data : bytesOf(data)?.slice();
    if (whole === undefined) {
      throw new OptionError("A message is a text, an ArrayBuffer, or a view of one.");
    }
    await this.#engine.send(RAW, new Raw(whole));
  }

  async request(type, payload = {}, { timeout = this.#options.requestTimeout } = {}) {
    this.#hubOnly("request()");
    if (ACKNOWLEDGED.has(type)) payload = { ...payload, ack: true };
    return this.#engine.request(type, payload, timeout);
  }

  async publish(channel, data, { ack = false, timeout } = {}) {
    const payload = { channel, data };
    if (ack) return (await this.request("publish", payload, { timeout })).position;
    await this.send("publish", payload);
    return null;
  }

  flush() {
    return this.#engine.flush();
  }

  // Receiving

  on(type, handler) {
    return this.#on(`message ${type}`, handler);
  }

  onOpen(handler) {
    return this.#on("change open", handler);
  }

  onClose(handler) {
    return this.#on("change close", handler);
  }

  onError(handler) {
    return this.#on("change error", handler);
  }

  onReconnect(handler) {
    return this.#on("change reconnect", handler);
  }

  onGaveUp(handler) {
    return this.#on("change gave_up", handler);
  }

  onChange(handler) {
    return this.#on("change *", handler);
  }

  onRtt(handler) {
    return this.#on("rtt", handler);
  }

  [Symbol.asyncIterator]() {
    this.#read = true;
    this.#messages.size = this.#options.buffer;
    return {
      next: () => this.#messages.next(),
      return: () => {
        this.#read = false;
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  subscribe(channel, ...rest) {
    this.#hubOnly("subscribe()");
    const handler = typeof rest[0] === "function" ? rest.shift() : null;
    const { since = null } = rest[0] ?? {};
    const { buffer } = this.#options;
    const subscription = new Subscription(this.#membership, channel, handler, since, buffer);
    this.#membership.subscribe(subscription);
    return subscription;
  }

  async join(room, { since = null } = {}) {
    this.#hubOnly("join()");
    return this.#membership.join(room, since);
  }

  leave(room) {
    this.#hubOnly("leave()");
    this.#membership.leave(room);
  }

  // Files

  async sendFile(source, options) {
    this.#hubOnly("sendFile()");
    return this.#files.send(source, options);
  }

  async receiveFile(offer, options) {
    this.#hubOnly("receiveFile()");
    return this.#files.receive(offer, options);
  }

  /** Throw OptionError with `protocol: "plain"`, for methods that need a hub. */
  #hubOnly(what) {
    if (this.#options.protocol !== "plain") return;
    throw new OptionError(
      `${what} needs a hub, and protocol 'plain' is for any server: send() what yours takes, and ` +
        "hear its answer with on().",
    );
  }

  // Received events

  #on(key, handler) {
    if (typeof handler !== "function") throw new OptionError(`${handler} is no function.`);
    // The list is copied at each change, because a running handler may add or remove handlers.
    this.#handlers.set(key, [...(this.#handlers.get(key) ?? []), handler]);
    return () => {
      const others = this.#handlers.get(key).filter((each) => each !== handler);
      this.#handlers.set(key, others);
    };
  }

  #call(key, value) {
    for (const handler of this.#handlers.get(key) ?? []) call(handler, value);
  }

  #listen(event) {
    if (event.message !== undefined) this.#message(event);
    else if (event.rtt !== undefined) this.#call("rtt", event.rtt);
    else if (event.what !== undefined) this.#change(event);
  }

  #message({ message, again }) {
    const { session } = this.#engine;
    if (message.type === "publication") session.dropped += this.#membership.publication(message);
    // This message was delivered before. It was requested again for a subscription that was behind.
    if (again) return;
    this.#call(`message ${message.type}`, message);
    this.#call("message *", message);
    // Dropped messages are counted only while the application iterates over the client.
    if (this.#messages.put(message) && this.#read) {
      session.dropped += 1;
      this.#messages.markGap();
    }
  }

  #change(change) {
    if (change.state === "closed") this.#end();
    this.#call(`change ${change.what}`, change);
    this.#call("change *", change);
  }

  #end() {
    const { session } = this.#engine;
    const { ended } = session.lifecycle;
    // A close by the server with code 1000 is no error.
    const error = ended === null || ended.code === NORMAL ? null : session.gone();
    this.#unwatch();
    this.#messages.end(error);
    this.#membership.end(error);
  }
}

/** Call a handler of the application. Its exceptions are reported to the page and do not propagate. */
function call(handler, value) {
  try {
    handler(value);
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}

/**
 * Call `doubt` when the network is available again, or the page becomes visible again. Returns a function
 * that removes the event listeners.
 */
function watchPage(doubt) {
  if (typeof addEventListener !== "function" || typeof document !== "object") return () => {};
  const seen = () => document.visibilityState === "visible" && doubt();
  addEventListener("online", doubt);
  document.addEventListener("visibilitychange", seen);
  return () => {
    removeEventListener("online", doubt);
    document.removeEventListener("visibilitychange", seen);
  };
}
