/**
 * Where in which history a client is. Pure.
 *
 * Channels, rooms and the chat count what is published there. Who knows the last number it got can
 * tell what is new, what comes again and what is missing.
 */

/** Channels that one pattern keeps a position of; past it the one longest quiet is forgotten. */
const CURSORS = 1_000;

/** The position that a payload names, or null. */
export function positionOf({ epoch, offset }) {
  const valid = typeof epoch === "string" && Number.isSafeInteger(offset) && offset >= 0;
  return valid ? Object.freeze({ epoch, offset }) : null;
}

/** A position in one history. */
class Cursor {
  /** History was lost: the next message says so. */
  lost = false;
  #dense;

  /** @param dense whether every number is delivered here, so that a missing one is a loss: what one
   *   says oneself in a room need not come back, but has a number */
  constructor({ dense, position = null }) {
    this.#dense = dense;
    this.position = position;
  }

  /** The server has said where the history is, and whether what follows is complete (undefined:
   * nothing follows). Returns whether something was lost. */
  entered(position, recovered) {
    const mine = this.position;
    let lost;
    if (mine === null || position === null) {
      this.position = position;
      // Without a position to return to, nobody knows what was said meanwhile.
      lost = position === null && recovered === false;
    } else {
      lost = !recovered && (mine.epoch !== position.epoch || mine.offset !== position.offset);
      // Nothing of what was missed follows.
      if (recovered === undefined || mine.epoch !== position.epoch) this.position = position;
    }
    this.lost ||= lost;
    return lost;
  }

  /** Something with this position came. Returns whether something before it was lost; null if it
   * came before. */
  take(at) {
    const mine = this.position;
    let hole = mine !== null;
    if (mine?.epoch === at.epoch) {
      if (at.offset <= mine.offset) return null;
      hole = this.#dense && at.offset !== mine.offset + 1;
    }
    const gap = this.lost || hole;
    this.position = at;
    this.lost = false;
    return gap;
  }
}

/** The positions in all channels that one subscription stands for. */
export class Cursors {
  #pattern;
  #first;
  #channels = new Map();
  #lost = false;

  constructor(name, position) {
    this.#pattern = name.includes("*");
    this.#first = new Cursor({ dense: true, position });
  }

  /** Of the last message; a pattern has none. */
  get position() {
    return this.#pattern ? null : this.#first.position;
  }

  /** History was lost: the next message says so. */
  lost() {
    this.#lost = true;
  }

  /** The subscription begins here, unless it is further already; null if where it was is no place
   * to return to. */
  begin(position) {
    this.#first.position = position && (this.#first.position ?? position);
  }

  /** As `Cursor.take`. */
  take(channel, at) {
    const gap = (this.#pattern ? this.#of(channel) : this.#first).take(at);
    if (gap === null) return null;
    const lost = this.#lost;
    this.#lost = false;
    return gap || lost;
  }

  #of(channel) {
    const cursor = this.#channels.get(channel) ?? new Cursor({ dense: false });
    // A Map is in order of insertion: the first is the one longest quiet.
    this.#channels.delete(channel);
    this.#channels.set(channel, cursor);
    if (this.#channels.size > CURSORS) this.#channels.delete(this.#channels.keys().next().value);
    return cursor;
  }
}

/** A channel, a pattern, a room or the chat that the client is in, over all connections. */
export class Place {
  /** Whether the server has let the client in, on this connection. */
  entered = false;
  /** Whether it ever was. */
  been = false;
  /** How often it was rewound: answers to requests from before do not count. */
  version = 0;
  /** Each has `entered(lost)` and `refused(error)`, called as the server decides. */
  watchers = new Set();
  #told = null;

  constructor(kind, name, position = null) {
    this.kind = kind;
    this.name = name;
    this.cursor = new Cursor({ dense: kind === "channel", position });
    /** Whether it stands for several channels, and so has no position. */
    this.pattern = kind === "channel" && name.includes("*");
  }

  /** What tells it from other places. */
  get key() {
    return placeKey(this.kind, this.name);
  }

  /** Whether something was passed on before; notes that it is now. */
  again(at) {
    const told = this.#told;
    if (told !== null && told.epoch === at.epoch && at.offset <= told.offset) return true;
    this.#told = at;
    return false;
  }
}

/** What tells a place from others. */
export function placeKey(kind, name) {
  return `${kind} ${name}`;
}

/** The chat, which every client is in. */
export const CHAT = placeKey("chat", "");

/** Says whether a subscription to `pattern` gets what is published to a channel: `*` stands for one
 * segment between dots, `**` at the end for one or more. */
export function matcher(pattern) {
  if (!pattern.includes("*")) return (channel) => channel === pattern;
  const stars = new Map([["*", "[^.]*"], ["**", ".+"]]);
  const parts = pattern
    .split(".")
    .map((segment) => stars.get(segment) ?? segment.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const expression = new RegExp(`^${parts.join("\\.")}$`, "s");
  return (channel) => expression.test(channel);
}
