/**
 * Track the positions of received messages, to detect duplicates and gaps. No I/O.
 *
 * The server numbers the messages of each channel, of each room and of the public chat. The client
 * compares the number of a message with the last number that it has received.
 */

/** Maximum channels of one pattern whose positions are stored; the least recently used is evicted. */
const CURSORS = 1_000;

/** Return the position in a payload as `{epoch, offset}`; null if there is no valid position. */
export function positionOf({ epoch, offset }) {
  const valid = typeof epoch === "string" && Number.isSafeInteger(offset) && offset >= 0;
  return valid ? Object.freeze({ epoch, offset }) : null;
}

/** The last received position in the history of one channel, of one room, or of the chat. */
class Cursor {
  /** True if messages were lost, until the next message has been marked as following a gap. */
  lost = false;
  #dense;

  /**
   * @param dense true if this client receives every number, so that a missing number means a lost
   *   message. False for rooms: a client's own messages have a number but need not be sent back.
   */
  constructor({ dense, position = null }) {
    this.#dense = dense;
    this.position = position;
  }

  /**
   * Handle the server's answer to `subscribe` or `join_room`. Returns true if messages were lost.
   *
   * @param position the newest position of the history
   * @param recovered true if the server sends all missed messages next, false if some are lost,
   *   undefined if it sends none
   */
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

  /**
   * Record the position of a received message. Returns true if messages before it were lost, false if
   * not, and null if the message is a duplicate.
   */
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

/** The positions of one subscription: of its channel, or of all channels that its pattern matches. */
export class Cursors {
  #pattern;
  #first;
  #channels = new Map();
  #lost = false;

  constructor(name, position) {
    this.#pattern = name.includes("*");
    this.#first = new Cursor({ dense: true, position });
  }

  /** Position of the last received message; null for a pattern. */
  get position() {
    return this.#pattern ? null : this.#first.position;
  }

  /** Mark the next message as following a gap. */
  lost() {
    this.#lost = true;
  }

  /**
   * Set the start position, unless messages were received already. With null, the old position is
   * invalid and is deleted.
   */
  begin(position) {
    this.#first.position = position && (this.#first.position ?? position);
  }

  /** Record the position of a message in a channel. Returns the same as `Cursor.take`. */
  take(channel, at) {
    const gap = (this.#pattern ? this.#of(channel) : this.#first).take(at);
    if (gap === null) return null;
    const lost = this.#lost;
    this.#lost = false;
    return gap || lost;
  }

  #of(channel) {
    const cursor = this.#channels.get(channel) ?? new Cursor({ dense: false });
    // A Map keeps the order of insertion, so its first key is the least recently used channel.
    this.#channels.delete(channel);
    this.#channels.set(channel, cursor);
    if (this.#channels.size > CURSORS) this.#channels.delete(this.#channels.keys().next().value);
    return cursor;
  }
}

/**
 * A membership of the client: a subscribed channel or pattern, a joined room, or the public chat. It
 * continues across reconnects.
 */
export class Place {
  /** True if the server has accepted the client on this connection. */
  entered = false;
  /** True if the server has accepted the client on any connection. */
  been = false;
  /** Number of rewinds; answers to requests of an older version are ignored. */
  version = 0;
  /** Objects with the methods `entered(lost)` and `refused(error)`, called with the server's answer. */
  watchers = new Set();
  #told = null;

  constructor(kind, name, position = null) {
    this.kind = kind;
    this.name = name;
    this.cursor = new Cursor({ dense: kind === "channel", position });
    /** True for a pattern, which matches several channels and has no position. */
    this.pattern = kind === "channel" && name.includes("*");
  }

  /** Key of this membership in the session's map. */
  get key() {
    return placeKey(this.kind, this.name);
  }

  /** Return true if a message with this position was delivered before; else record the position. */
  again(at) {
    const told = this.#told;
    if (told !== null && told.epoch === at.epoch && at.offset <= told.offset) return true;
    this.#told = at;
    return false;
  }
}

/** Return the map key of a membership: the kind (`channel`, `room` or `chat`) and the name. */
export function placeKey(kind, name) {
  return `${kind} ${name}`;
}

/** Key of the public chat, of which every client is a member. */
export const CHAT = placeKey("chat", "");

/**
 * Return a function that tells if a channel name matches a pattern. `*` matches one segment between
 * dots. `**` at the end matches one or more segments.
 */
export function matcher(pattern) {
  if (!pattern.includes("*")) return (channel) => channel === pattern;
  const stars = new Map([["*", "[^.]*"], ["**", ".+"]]);
  const parts = pattern
    .split(".")
    .map((segment) => stars.get(segment) ?? segment.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const expression = new RegExp(`^${parts.join("\\.")}$`, "s");
  return (channel) => expression.test(channel);
}
