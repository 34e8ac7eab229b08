// The messages of one conversation: the chat, a room, or a private one. Pure.

/** Maximum number of entries of a conversation; beyond it the oldest is dropped. */
const MOST = 500;

let keys = 0;

/**
 * An entry is `{key, what, time, …}`, where `what` is
 * - `text`: `{author, name, mine, text, position, status: "sent" | "pending" | "failed", reason}`
 * - `file`: `{author, name, mine, file, size, done, status, reason}`
 * - `notice`: `{text}`
 */
export class Conversation {
  /**
   * @param {"everybody" | "room" | "person"} kind
   * @param {string} name of the room, or what tells the person from others
   */
  constructor(kind, name, title) {
    this.kind = kind;
    this.name = name;
    this.title = title;
    this.key = `${kind}:${name}`;
    this.entries = [];
    this.unread = 0;
    /** The key of the first entry that was not seen when the conversation was opened. */
    this.firstNew = null;
    /** Client id → name, of those who are typing here. */
    this.typing = new Map();
    this.draft = "";
    /** The latest known position in the history; null if there is none. */
    this.position = null;
    this.loading = false;
    /** Why the user is not a member; empty if the user is. */
    this.refused = "";
    /** True if a lost history was reported since the connection ended. */
    this.said = false;
    /** True while a request to join is pending. */
    this.entering = false;
  }

  /** The connection has ended. */
  disconnected() {
    this.typing.clear();
    this.said = false;
  }

  /** Add an entry unless it is known. Returns true if it is new. */
  add(entry) {
    if (entry.position && this.#known(entry)) return false;
    entry.key = ++keys;
    entry.version = 0;
    this.#insert(entry);
    while (this.entries.length > MOST) this.entries.shift();
    return true;
  }

  /** Update an entry. */
  change(entry, changes) {
    Object.assign(entry, changes);
    entry.version++;
  }

  /** Set the position of one's own message, which the server has acknowledged. */
  arrived(entry, changes) {
    if (!this.entries.includes(entry)) return;
    const { position } = changes;
    if (
      position &&
      this.entries.some((other) => other !== entry && same(other.position, position))
    ) {
      this.remove(entry);
      return;
    }
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.change(entry, { ...changes, status: "sent", reason: "" });
    this.#insert(entry);
  }

  remove(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
  }

  /** Add a notice that history was lost, once for each end of a connection. */
  lost(time) {
    if (this.said || !this.position) return;
    this.said = true;
    const text = "Some messages may be missing here: the server no longer has them.";
    this.add({ what: "notice", time, text });
  }

  /** True if a message is known; a pending message of one's own is then acknowledged. */
  #known(entry) {
    const { position } = entry;
    const here = (other) => same(other.position, position);
    if (!this.#ahead(position) && this.entries.some(here)) return true;
    const waits = (other) =>
      other.what === "text" && other.mine && !other.position && other.text === entry.text;
    const mine =
      entry.mine && this.entries.find((other) => waits(other) && other.status !== "failed");
    if (!mine) return false;
    this.arrived(mine, { time: entry.time, position, name: entry.name });
    return true;
  }

  /** True if a position is after all known ones. */
  #ahead({ epoch, offset }) {
    return this.position?.epoch === epoch && offset > this.position.offset;
  }

  #insert(entry) {
    this.entries.splice(this.#place(entry), 0, entry);
    const { position } = entry;
    const other = position && position.epoch !== this.position?.epoch;
    if (position && (other || this.#ahead(position))) this.position = position;
  }

  /** Before what waits to be sent, and before what has a later place in the same history. */
  #place(entry) {
    let at = this.entries.length;
    if (entry.status === "pending") return at;
    while (at > 0) {
      const before = this.entries[at - 1];
      const later =
        before.position?.epoch === entry.position?.epoch &&
        before.position?.offset > entry.position?.offset;
      if (before.status !== "pending" && !later) return at;
      at--;
    }
    return at;
  }
}

const same = (one, other) =>
  Boolean(one && other) && one.epoch === other.epoch && one.offset === other.offset;
