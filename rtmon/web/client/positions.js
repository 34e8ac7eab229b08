/**
 * Positions in histories, to detect duplicates and gaps. Pure.
 *
 * Channels, rooms and the chat number their publications. By the last number it received, a client
 * tells if a message is new, a duplicate, or comes after a gap.
 */

/** Maximum number of channels of a pattern whose positions are kept (LRU). */
const CURSORS = 1_000;

/** The position that a payload names, or null. */
export function positionOf({ epoch, offset }) {
  const valid = typeof epoch === "string" && Number.isSafeInteger(offset) && offset >= 0;
  return valid ? Object.freeze({ epoch, offset }) : null;
}

/** A position in one history. */
class Cursor {
  /** True until the next message, if history was lost. */
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
      // Without a position to recover from, it is unknown what was missed.
      lost = position === null && recovered === false;
    } else {
      lost = !recovered && (mine.epoch !== position.epoch || mine.offset !== position.offset);
      // The server sends none of the missed messages.
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

  /** Mark the next message as following a gap. */
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
  /** True if the server has accepted the client on this connection. */
  entered = false;
  /** True if the server has accepted the client on any connection. */
  been = false;
  /** Number of rewinds; answers to requests of an older version are ignored. */
  version = 0;
  /** Each has `entered(lost)` and `refused(error)`, called as the server decides. */
  watchers = new Set();
  #told = null;

  constructor(kind, name, position = null) {
    this.kind = kind;
    this.name = name;
    this.cursor = new Cursor({ dense: kind === "channel", position });
    /** True for a pattern, which matches several channels and has no position. */
    this.pattern = kind === "channel" && name.includes("*");
  }

  /** Key of the place. */
  get key() {
    return placeKey(this.kind, this.name);
  }

  /** True if a position was delivered before; otherwise records it as delivered. */
  again(at) {
    const told = this.#told;
    if (told !== null && told.epoch === at.epoch && at.offset <= told.offset) return true;
    this.#told = at;
    return false;
  }
}

/** Return the key of a place. */
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
