/** Subscriptions to channels, which deliver each message once and in order across reconnects. */

import { ClientClosed, OptionError, RtmonError } from "./errors.js";
import { Cursors, matcher, placeKey } from "./positions.js";

/** A bounded queue of messages for one reader, which iterates over them. */
export class Buffer {
  /** Maximum number of items in the queue. */
  size;
  #items = [];
  #waiting = [];
  #ended = false;
  #error = null;

  constructor(size) {
    this.size = size;
  }

  get length() {
    return this.#items.length;
  }

  get full() {
    return this.#items.length >= this.size;
  }

  /** Add an item. Returns true if the oldest item was dropped because the queue was full. */
  put(item) {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next.resolve({ value: item, done: false });
      return false;
    }
    const { full } = this;
    if (full) this.#items.shift();
    this.#items.push(item);
    return full;
  }

  /** Set `gap` of the oldest item to true, because messages before it were dropped. */
  markGap() {
    this.#items[0] = Object.freeze({ ...this.#items[0], gap: true });
  }

  /** End the queue. After the remaining items, the reader gets `error`, or the end if it is null. */
  end(error = null) {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (error === null) resolve({ value: undefined, done: true });
      else reject(error);
    }
  }

  /** Return a promise of the next item in iterator form. It rejects with the error of `end`. */
  next() {
    if (this.#items.length > 0) {
      return Promise.resolve({ value: this.#items.shift(), done: false });
    }
    return new Promise((resolve, reject) => {
      if (!this.#ended) this.#waiting.push({ resolve, reject });
      else if (this.#error === null) resolve({ value: undefined, done: true });
      else reject(this.#error);
    });
  }
}

/** A subscription to one channel or to a pattern. The public methods are described in rtmon.d.ts. */
export class Subscription {
  #membership;
  #handler;
  #since;
  #wants;
  #cursors;
  #buffer;
  #place = null;
  #begun;
  #behind = false;
  #pattern;

  /** @param handler called with each message; null if the application iterates instead */
  constructor(membership, channel, handler, since, buffer) {
    if (typeof channel !== "string" || channel === "") {
      throw new OptionError(`'${channel}' is no channel: give a name, or a pattern.`);
    }
    this.channel = channel;
    this.#membership = membership;
    this.#handler = handler;
    this.#since = since;
    this.#wants = matcher(channel);
    this.#pattern = channel.includes("*");
    this.#cursors = new Cursors(channel, since);
    this.#buffer = new Buffer(buffer);
    this.#begun = settled();
  }

  get position() {
    return this.#cursors.position;
  }

  /** Wait until the server has accepted the subscription. Rejects if the server refuses it. */
  entered() {
    return this.#begun.promise;
  }

  publish(data) {
    return this.#membership.publish(this.channel, data);
  }

  close() {
    this.#membership.unsubscribe(this);
    this.#begun.reject(new ClientClosed("The subscription is closed."));
    this.#buffer.end();
  }

  [Symbol.asyncIterator]() {
    if (this.#handler !== null) {
      throw new OptionError("This subscription has a handler: leave it out to iterate.");
    }
    return {
      next: () => {
        if (this.#behind && this.#buffer.length === 0) {
          this.#behind = false;
          this.#membership.rewind(this.#place, this.position);
        }
        return this.#buffer.next();
      },
      return: () => {
        this.close();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  // Called by the client

  /** Attach to a membership, which other subscriptions to the same channel may share. */
  begin(place) {
    this.#place = place;
    place.watchers.add(this.watcher);
    if (place.entered) this.watcher.entered(false);
  }

  /** Detach from the membership. Returns it if no other subscription uses it, else null. */
  stop() {
    const place = this.#place;
    this.#place = null;
    place?.watchers.delete(this.watcher);
    return place?.watchers.size === 0 ? place : null;
  }

  get since() {
    return this.#since;
  }

  wants(channel) {
    return this.#wants(channel);
  }

  watcher = {
    /** Handle the server's acceptance, at the start and after each reconnect. */
    entered: (lost) => {
      if (lost) this.#cursors.lost();
      this.#cursors.begin(this.#place.cursor.position);
      if (this.#place.entered) this.#begun.resolve();
    },

    /** Handle the end of the subscription: the server has refused it, or the client is closed. */
    refused: (error) => {
      this.#begun.reject(error);
      if (!(error instanceof ClientClosed)) this.#buffer.end(error);
    },
  };

  /** End the iteration, because the client is closed. */
  end(error) {
    this.#buffer.end(error);
  }

  /**
   * Deliver a publication to the handler or to the queue. Returns true if a message was dropped that
   * cannot be recovered.
   */
  put(message) {
    const { channel, position } = message;
    if (!this.#pattern && !this.#place?.entered) return false;
    const reading = this.#handler === null;
    if (reading && this.#buffer.full && this.#pattern) {
      this.#cursors.lost();
      return true;
    }
    if (reading && (this.#behind || this.#buffer.full)) {
      // The queue is full. The message is requested from the server's history again, once the reader
      // has emptied the queue.
      this.#behind = true;
      return false;
    }
    if (position === null || channel === null) return false;
    const gap = this.#cursors.take(channel, position);
    if (gap === null) return false;
    const mine = Object.freeze({ ...message, payload: message.payload.data ?? null, gap });
    if (reading) return this.#buffer.put(mine);
    this.#membership.call(this.#handler, mine);
    return false;
  }
}

/** The subscriptions and joined rooms of a client. */
export class Membership {
  #engine;
  #subscriptions = new Set();

  /**
   * @param call calls a handler of the application
   * @param publish publishes a message, as `Client.publish` does
   */
  constructor(engine, { call, publish }) {
    this.#engine = engine;
    this.call = call;
    this.publish = publish;
  }

  /**
   * Deliver a publication to the subscriptions of its channel. Returns the number of subscriptions that
   * dropped a message.
   */
  publication(message) {
    let lost = 0;
    for (const each of [...this.#subscriptions]) {
      if (each.wants(message.channel) && each.put(message)) lost += 1;
    }
    return lost;
  }

  /** Start a subscription. Throws ClientClosed. */
  subscribe(subscription) {
    const { session } = this.#engine;
    session.check();
    const { channel, since } = subscription;
    const known = session.places.size;
    const place = session.enter("channel", channel, this.#engine.now(), since);
    this.#subscriptions.add(subscription);
    subscription.begin(place);
    if (since !== null && session.places.size === known) this.rewind(place, since);
    this.#engine.step();
  }

  unsubscribe(subscription) {
    this.#subscriptions.delete(subscription);
    const place = subscription.stop();
    if (place === null) return;
    this.#engine.session.leave(place, this.#engine.now());
    this.#engine.step();
  }

  /** Request all messages of a channel after a position again from the hub. */
  rewind(place, position) {
    if (place === null || position === null) return;
    this.#engine.session.rewind(place, position, this.#engine.now());
    this.#engine.step();
  }

  /**
   * Join a room. Rejects if the server refuses, or if the application leaves the room before the server
   * has answered.
   */
  async join(room, since) {
    const { session } = this.#engine;
    session.check();
    const place = session.enter("room", room, this.#engine.now(), since);
    if (place.entered) return;
    const { promise, resolve, reject } = settled();
    const watcher = { entered: () => place.entered && resolve(), refused: reject };
    place.watchers.add(watcher);
    this.#engine.step();
    try {
      await promise;
    } finally {
      place.watchers.delete(watcher);
    }
  }

  leave(room) {
    const { session } = this.#engine;
    const place = session.places.get(placeKey("room", room));
    if (place === undefined) return;
    session.leave(place, this.#engine.now());
    const left = new RtmonError(`The client left the room '${room}' before it was let in.`);
    for (const watcher of [...place.watchers]) watcher.refused(left);
    this.#engine.step();
  }

  /** End all subscriptions, because the client is closed. */
  end(error) {
    for (const subscription of this.#subscriptions) subscription.end(error);
  }
}

/**
 * Return a promise with its `resolve` and `reject` functions. A rejection is not reported as unhandled,
 * because the application need not wait for the promise.
 */
function settled() {
  let [resolve, reject] = [];
  const promise = new Promise((...both) => {
    [resolve, reject] = both;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
