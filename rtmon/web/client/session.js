/**
 * The state of a client that continues across its connections. No I/O: the caller passes in the time.
 *
 * The engine owns the connection. It writes the data that `next` returns, passes received data to
 * `receive`, calls `tick` at the time that `due` returns, and delivers the events of `takeEvents`.
 */

import { ClientClosed, ConnectionLost, OptionError, QueueFull } from "./errors.js";
import { Lifecycle, change } from "./lifecycle.js";
import { HEARTBEAT_MIN, MESSAGE_SIZE, RATE } from "./limits.js";
import { PlainReceiver } from "./plain_protocol.js";
import { CHAT, Place, placeKey } from "./positions.js";
import { Receiver } from "./receiver.js";
import { Requests } from "./requests.js";
import { Sender } from "./sender.js";
import { isWellFormed } from "./values.js";

export class Session {
  /**
   * True while the client is connected. It becomes true with the hub's welcome, or when the connection
   * to another server opens.
   */
  connected = false;
  clientId = null;
  /** Reason why the engine must abort the connection; null while the connection is alive. */
  dead = null;
  /** Whether the server has asked the client to reconnect, in `disconnect`; null if it did not say. */
  retry = null;
  retryAfter = null;
  /** The client's memberships (subscribed channels, joined rooms, and the public chat), by key. */
  places = new Map([[CHAT, new Place("chat", "")]]);
  received = 0;
  duplicates = 0;
  gaps = 0;
  dropped = 0;
  /** Reason why the last attempt to connect failed, or why the last connection ended. */
  lastProblem = "still under way";
  #plain;
  #secret;
  #events = [];
  #receiver;
  #requests;

  /**
   * @param wall function that returns milliseconds since 1970
   * @param random function that returns a number from 0 to 1
   */
  constructor(options, { wall, random }) {
    this.options = options;
    this.lifecycle = new Lifecycle(options, random);
    this.sender = new Sender(options, { wall, random });
    this.outbox = this.sender.outbox;
    this.heartbeat = this.sender.heartbeat;
    this.#plain = options.protocol === "plain";
    this.#receiver = this.#plain ? new PlainReceiver(this) : new Receiver(this);
    const letIn = (place, answer) => this.#receiver.entered(place, answer);
    this.#requests = new Requests(this, { letIn });
  }

  // Connecting

  /** Return the query parameters for the hub's URL: name, user, and position in the public chat. */
  query() {
    if (this.#plain) return {};
    const { name, user } = this.options;
    const { epoch, offset } = this.places.get(CHAT).cursor.position ?? {};
    const query = { name, user, epoch, offset: offset?.toString() };
    return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
  }

  /** Record the start of an attempt to connect. */
  connecting() {
    this.dead = this.retry = this.retryAfter = null;
    this.tell(this.lifecycle.attempt());
  }

  /**
   * Handle an open connection. A connection to a hub is ready only after the hub's welcome. Other
   * connections are ready now.
   */
  opened(now) {
    if (!this.#plain || this.lifecycle.state === "closing") return;
    const { messageSize } = this.sender.wire;
    this.sender.start(now, { rate: Infinity, burst: null, messageSize });
    this.connected = true;
    this.tell(this.lifecycle.opened(now));
  }

  /** Handle the hub's welcome: send `connect`, and request all memberships again. */
  welcomed(welcome, now) {
    const { rate, burst, message_size: messageSize } = welcome.limits ?? {};
    this.sender.start(now, {
      rate: rate > 0 ? rate : RATE,
      burst: burst > 0 ? burst : null,
      messageSize: messageSize > 0 ? messageSize : MESSAGE_SIZE,
    });
    this.clientId = welcome.client_id;
    this.connected = true;
    const { info, heartbeatInterval, serverBatch } = this.options;
    const session = this.#secret;
    // All connections send the secret of the first one, so that the hub sees the same sender and can
    // remove duplicates of messages that are sent again.
    this.#secret ??= welcome.session;
    const heartbeat = Math.max(HEARTBEAT_MIN, heartbeatInterval) / 1_000;
    const batch = serverBatch
      ? { size: serverBatch.size, delay: serverBatch.delay / 1_000 }
      : undefined;
    this.sender.control("connect", { session, info, heartbeat, batch });
    this.#requests.restart(now);
    this.tell(this.lifecycle.opened(now));
  }

  /**
   * Handle a failed attempt to connect. Returns the milliseconds until the next attempt; null if there
   * is none.
   */
  failed(now, error, retryAfter = null) {
    return this.#after(this.lifecycle.failed(now, error, retryAfter));
  }

  /**
   * Handle the end of the connection. Returns the milliseconds until the next attempt; null if there
   * is none.
   */
  lost(now, code, reason) {
    this.connected = false;
    for (const { type } of this.outbox.lost()) {
      this.problem(`'${type}' was sent, but may not have arrived.`);
    }
    const { retry, retryAfter } = this;
    const changes = this.lifecycle.lost(now, code, this.dead ?? reason, { retry, retryAfter });
    return this.#after(changes);
  }

  /** Record that the application has started to close the client. */
  closing() {
    this.tell(this.lifecycle.closing());
  }

  /** Record that the client is closed, after the application has requested it. */
  closed(now) {
    this.tell(this.lifecycle.closed(now));
    this.#end();
  }

  /** Throw ClientClosed if the client is closed or closing. */
  check() {
    const { state } = this.lifecycle;
    if (state === "closing" || state === "closed") throw this.gone();
  }

  /** Return the error that says why the client is closed. */
  gone() {
    const { ended } = this.lifecycle;
    if (ended === null) return new ClientClosed("The client is closed: connect a new one.");
    const why = `The client has given up (failures in a row: ${ended.attempt}): ${ended.reason}`;
    return new ClientClosed(why, ended.code);
  }

  #after(changes) {
    this.lastProblem = changes[0].reason;
    for (const each of changes) this.tell(each);
    if (this.lifecycle.state === "closed") this.#end();
    return changes.at(-1).delay;
  }

  #end() {
    this.connected = false;
    const gone = this.gone();
    const left = this.outbox.end(gone).length;
    if (left > 0) {
      this.dropped += left;
      const messages = left === 1 ? "1 message" : `${left} messages`;
      this.problem(`${messages} may not have arrived: the client is closed.`);
    }
    for (const place of this.places.values()) {
      for (const watcher of [...place.watchers]) watcher.refused(gone);
    }
    this.places = new Map([[CHAT, this.places.get(CHAT)]]);
  }

  // Memberships

  /**
   * Join a room or subscribe to a channel, and do so again on each new connection. Returns the existing
   * membership if there is one. Throws OptionError for a name that cannot be encoded.
   */
  enter(kind, name, now, since = null) {
    if (!isWellFormed(name)) throw new OptionError("A name has half of a surrogate pair.");
    const key = placeKey(kind, name);
    let place = this.places.get(key);
    if (place === undefined) {
      place = new Place(kind, name, since);
      this.places.set(key, place);
      this.#requests.make(key, now);
    }
    return place;
  }

  /** Leave a room, or unsubscribe from a channel. */
  leave(place, now) {
    if (this.places.get(place.key) !== place) return;
    this.places.delete(place.key);
    this.#requests.make(place.key, now);
  }

  /** Request all messages of a channel after a position again from the hub. */
  rewind(place, position, now) {
    place.cursor.position = position;
    place.entered = false;
    place.version += 1;
    this.#requests.make(place.key, now);
  }

  // Sending

  /** Queue a message that `sender.entry` has encoded. Throws ClientClosed or QueueFull. */
  put(entry, now) {
    this.check();
    const { type } = entry;
    if (!this.connected && this.sender.wire.ephemeral.has(type)) {
      entry.fail(new ConnectionLost(`'${type}' means nothing later: it is not kept for then.`));
      return;
    }
    entry.created = now;
    const dropped = this.outbox.put(entry);
    if (dropped !== null) {
      const full = new QueueFull(
        `The queue is full: '${dropped.type}' is dropped for a newer message.`,
      );
      if (!dropped.fail(full)) this.problem(full.message, full);
    }
  }

  /**
   * Queue a message such as `file_abort`, even if the queue is full, and ignore the answer. Does nothing
   * if the client is closed.
   */
  takeBack(type, payload, now) {
    if (this.lifecycle.state !== "closed") this.sender.takeBack(type, payload, now, () => {});
  }

  /** Return the data to write to the connection now; null if nothing is due. */
  next(now) {
    if (!this.connected) return null;
    this.#requests.proceed(now);
    return this.sender.next(now);
  }

  // Time

  /** Return the time at which `tick` and `next` must be called, if no other event happens before. */
  due(now) {
    const expires = this.outbox.expires();
    return this.connected ? Math.min(expires, this.sender.due(now)) : expires;
  }

  /** Drop messages that have waited too long, and detect a dead connection. */
  tick(now) {
    for (const { type } of this.outbox.expire(now)) {
      this.problem(`'${type}' waited too long and is dropped.`);
    }
    if (this.connected && this.dead === null && this.heartbeat.dead(now)) {
      this.dead = `no sign of life for ${this.options.heartbeatTimeout / 1_000} s`;
    }
  }

  // Receiving

  /** Handle data from the server. Never throws because of the data's content. */
  receive(data, now) {
    this.heartbeat.heard(now);
    this.#receiver.receive(data, now);
  }

  /** Add an event, which the engine will deliver to its listeners. */
  tell(event) {
    this.#events.push(event);
  }

  /** Remove and return the events that wait to be delivered, in order. */
  takeEvents() {
    return this.#events.splice(0);
  }

  /** Report an error to the application's `onError` handlers. */
  problem(reason, error = null) {
    this.tell(change("error", this.lifecycle.state, { reason, error }));
  }

  /** Return the statistics that `Client.stats` shows. */
  stats(now) {
    const { outbox, lifecycle } = this;
    return Object.freeze({
      state: lifecycle.state,
      attempts: lifecycle.attempts,
      reconnects: Math.max(0, lifecycle.connections - 1),
      downtime: lifecycle.downtime(now),
      rtt: this.heartbeat.rtt,
      queued: outbox.queued,
      unconfirmed: this.sender.wire.confirms ? outbox.unconfirmed : null,
      sent: this.sender.sent,
      received: this.received,
      resent: outbox.resent,
      duplicates: this.duplicates,
      gaps: this.gaps,
      dropped: this.dropped + outbox.dropped,
      expired: outbox.expired,
    });
  }
}
