// The messages of one conversation: the public chat, a room, or a private conversation. No I/O, no DOM.

/** Maximum number of entries of a conversation; above this number, the oldest entry is dropped. */
const MOST = 500;

let keys = 0;

/**
 * A conversation with its entries. An entry is `{key, what, time, …}`, where `what` is
 * - `text`: `{author, name, mine, text, position, status: "sent" | "pending" | "failed", reason}`
 * - `file`: `{author, name, mine, file, size, done, status, reason}`
 * - `notice`: `{text}`
 */
export class Conversation {
  /**
   * @param {"everybody" | "room" | "person"} kind
   * @param {string} name name of the room, or key of the person (see people.js)
   * @param {string} title text that the page shows
   */
  constructor(kind, name, title) {
    this.kind = kind;
    this.name = name;
    this.title = title;
    this.key = `${kind}:${name}`;
    this.entries = [];
    this.unread = 0;
    /** Key of the first entry that was unread when the conversation was opened; null if none was. */
    this.firstNew = null;
    /** Names of the users who are typing in this conversation, by client id. */
    this.typing = new Map();
    this.draft = "";
    /** Position of the newest known message in the server's history; null if unknown. */
    this.position = null;
    this.loading = false;
    /** Reason why the server refused the user as a member of the room; empty if it did not. */
    this.refused = "";
    /** True if the notice about lost messages was shown since the last lost connection. */
    this.said = false;
    /** True while a request to join the room waits for the server's answer. */
    this.entering = false;
  }

  /** Handle the end of the connection. */
  disconnected() {
    this.typing.clear();
    this.said = false;
  }

  /** Add an entry, unless the conversation already contains it. Returns true if it was added. */
  add(entry) {
    if (entry.position && this.#known(entry)) return false;
    entry.key = ++keys;
    entry.version = 0;
    this.#insert(entry);
    while (this.entries.length > MOST) this.entries.shift();
    return true;
  }

  /** Change fields of an entry, so that it is drawn again. */
  change(entry, changes) {
    Object.assign(entry, changes);
    entry.version++;
  }

  /** Mark the user's own message as sent, with the position that the server has acknowledged. */
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

  /** Add a notice that messages may be missing, at most once after each lost connection. */
  lost(time) {
    if (this.said || !this.position) return;
    this.said = true;
    const text = "Some messages may be missing here: the server no longer has them.";
    this.add({ what: "notice", time, text });
  }

  /**
   * Return true if the conversation already contains a message. If it is the user's own pending message,
   * it is marked as sent.
   */
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

  /** Return true if a position is newer than all known positions. */
  #ahead({ epoch, offset }) {
    return this.position?.epoch === epoch && offset > this.position.offset;
  }

  #insert(entry) {
    this.entries.splice(this.#place(entry), 0, entry);
    const { position } = entry;
    const other = position && position.epoch !== this.position?.epoch;
    if (position && (other || this.#ahead(position))) this.position = position;
  }

  /**
   * Return the index at which to insert an entry: before the user's pending messages, and before messages
   * with a later position in the same history.
   */
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
