/** Send the requests to join, subscribe, leave and unsubscribe. Pure: time is passed in. */

import { MessageExpired } from "./errors.js";
import { CHAT } from "./positions.js";

/**
 * There is at most one pending request for a place: of two, the server could rate-limit the first,
 * which is then sent again after the second.
 */
export class Requests {
  #session;
  /** Memberships that the server has confirmed on this connection: key → place. */
  #inside = new Map();
  /** Requests that await an answer: key → entry. */
  #entries = new Map();
  /** Places whose request was answered. */
  #answered = [];
  #letIn;

  /** @param letIn called with a place and the answer to the latest request to be let in there */
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

  /** Send the next request for each place whose last request was answered. */
  proceed(now) {
    while (this.#answered.length > 0) this.make(this.#answered.shift(), now);
  }

  /** Send the request that brings the server's state of a place in line with the user's wish. */
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
      // Messages after the answer to an earlier request start at another position.
      const latest = this.#session.places.get(key) === place && version === place.version;
      if (latest) this.#letIn(place, answer);
    });
    const type = place.kind === "room" ? "join_room" : "subscribe";
    return this.#session.sender.control(type, { [place.kind]: place.name, since }, { settle });
  }

  #askOut({ key, kind, name }, now) {
    const { sender } = this.#session;
    const settle = this.#settling(key, (answer) => {
      // A request that was never sent changed nothing: it is sent again.
      if (!(answer instanceof MessageExpired)) this.#inside.delete(key);
    });
    if (kind === "channel") return sender.control("unsubscribe", { channel: name }, { settle });
    // After the messages that were sent there before.
    return sender.takeBack("leave_room", { room: name }, now, settle);
  }

  /** Wrap an answer handler so that the request is no longer pending. */
  #settling(key, settle) {
    return (answer) => {
      this.#entries.delete(key);
      this.#answered.push(key);
      settle(answer);
    };
  }
}
