/** Asks the server to let the client into places and out of them. Pure: time is passed in. */

import { MessageExpired } from "./errors.js";
import { CHAT } from "./positions.js";

/**
 * One request about a place at a time. Of two, the server could refuse the first for now, and take
 * it when it is sent again, after the second.
 */
export class Requests {
  #session;
  /** Places where the server has the client, on this connection: key → place. */
  #inside = new Map();
  /** What the server was asked about a place, and has not answered: key → entry. */
  #entries = new Map();
  /** Places about which a request was answered. */
  #answered = [];
  #letIn;

  /** @param letIn called with a place and the answer to the latest request to be let in there */
  constructor(session, { letIn }) {
    this.#session = session;
    this.#letIn = letIn;
  }

  /** Ask to be let into all places, on a new connection, which is in none. */
  restart(now) {
    for (const entry of this.#entries.values()) this.#session.outbox.forget(entry);
    this.#entries.clear();
    this.#inside.clear();
    for (const place of this.#session.places.values()) {
      place.entered = place.key === CHAT;
      this.make(place.key, now);
    }
  }

  /** Make the next request about each place whose last one was answered. */
  proceed(now) {
    while (this.#answered.length > 0) this.make(this.#answered.shift(), now);
  }

  /** Ask the server for what the user wants of a place, if that is not so already. */
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
      // What follows the answer to an earlier request begins somewhere else.
      const latest = this.#session.places.get(key) === place && version === place.version;
      if (latest) this.#letIn(place, answer);
    });
    const type = place.kind === "room" ? "join_room" : "subscribe";
    return this.#session.sender.control(type, { [place.kind]: place.name, since }, { settle });
  }

  #askOut({ key, kind, name }, now) {
    const { sender } = this.#session;
    const settle = this.#settling(key, (answer) => {
      // What was never sent leaves the client where it is: it is sent anew.
      if (!(answer instanceof MessageExpired)) this.#inside.delete(key);
    });
    if (kind === "channel") return sender.control("unsubscribe", { channel: name }, { settle });
    // After the messages that were sent there before.
    return sender.takeBack("leave_room", { room: name }, now, settle);
  }

  /** Wrap a function that takes an answer: the request is under way no more. */
  #settling(key, settle) {
    return (answer) => {
      this.#entries.delete(key);
      this.#answered.push(key);
      settle(answer);
    };
  }
}
