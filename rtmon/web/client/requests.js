/** Send the requests to join and leave rooms, and to subscribe and unsubscribe. No I/O. */

import { MessageExpired } from "./errors.js";
import { CHAT } from "./positions.js";

/**
 * Sends membership requests. For each channel or room, at most one request is pending. With two, the
 * server could refuse the first because of the rate limit. It would then be sent again after the
 * second, in the wrong order.
 */
export class Requests {
  #session;
  /** Memberships that the server has accepted on this connection, by key. */
  #inside = new Map();
  /** Requests that wait for the server's answer, by key of the membership. */
  #entries = new Map();
  /** Keys of memberships whose request was answered, and that may need another request. */
  #answered = [];
  #letIn;

  /** @param letIn called with a membership and the server's answer to its latest request */
  constructor(session, { letIn }) {
    this.#session = session;
    this.#letIn = letIn;
  }

  /** Request all memberships again on a new connection. */
  restart(now) {
    for (const entry of this.#entries.values()) this.#session.outbox.forget(entry);
    this.#entries.clear();
    this.#inside.clear();
    for (const place of this.#session.places.values()) {
      place.entered = place.key === CHAT;
      this.make(place.key, now);
    }
  }

  /** Send the next request for each membership whose last request was answered. */
  proceed(now) {
    while (this.#answered.length > 0) this.make(this.#answered.shift(), now);
  }

  /**
   * Send the next request for a channel or room, if one is needed: join or subscribe if the application
   * wants to be a member and the server does not know it yet, else leave or unsubscribe.
   */
  make(key, now) {
    if (key === CHAT || this.#entries.has(key) || !this.#session.connected) return;
    const place = this.#session.places.get(key);
    const inside = this.#inside.get(key);
    if (inside === undefined) {
      if (place !== undefined) this.#entries.set(key, this.#askIn(place));
    } else if (!place?.entered) {
      this.#entries.set(key, this.#askOut(inside, now));
    }
  }

  #askIn(place) {
    const since = place.pattern ? undefined : (place.cursor.position ?? undefined);
    const { key, version } = place;
    const settle = this.#settling(key, (answer) => {
      if (!(answer instanceof Error)) this.#inside.set(key, place);
      // An answer to an earlier request is ignored, because its messages start at another position.
      const latest = this.#session.places.get(key) === place && version === place.version;
      if (latest) this.#letIn(place, answer);
    });
    const type = place.kind === "room" ? "join_room" : "subscribe";
    return this.#session.sender.control(type, { [place.kind]: place.name, since }, { settle });
  }

  #askOut({ key, kind, name }, now) {
    const { sender } = this.#session;
    const settle = this.#settling(key, (answer) => {
      // An expired request was never sent, so the client is still a member. It is requested again.
      if (!(answer instanceof MessageExpired)) this.#inside.delete(key);
    });
    if (kind === "channel") return sender.control("unsubscribe", { channel: name }, { settle });
    // Sent after the messages to this room that are still in the queue.
    return sender.takeBack("leave_room", { room: name }, now, settle);
  }

  /** Return an answer handler that marks the request as answered, and then calls `settle`. */
  #settling(key, settle) {
    return (answer) => {
      this.#entries.delete(key);
      this.#answered.push(key);
      settle(answer);
    };
  }
}
