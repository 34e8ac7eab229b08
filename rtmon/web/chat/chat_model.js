// The chat without its looks: the client's events come in, conversations and people change, and
// whoever shows them is told. Views read, and call the methods here; nothing else changes.

import { connect } from "../rtmon.js";
import { Conversation } from "./conversation.js";
import { IncomingMessages } from "./incoming.js";
import { People } from "./people.js";
import { PATIENCE, OutgoingMessages } from "./outgoing.js";
import { Transfers } from "./transfers.js";

/**
 * A link that died without a word is noticed after the sum of both. The answer may be late: on a
 * slow line it comes after what is being uploaded.
 */
const HEARTBEAT = { heartbeatInterval: 4_000, heartbeatTimeout: 6_000 };

/** Private conversations at once. */
const PERSONS = 100;

/** Names of one's own that are remembered. */
const IDS = 100;

export class Chat {
  name = "";
  client = null;
  people = new People();
  everybody = new Conversation("everybody", "", "Everybody");
  conversations = new Map([[this.everybody.key, this.everybody]]);
  current = this.everybody;
  /** How the connection is; `retryAt` is when the next attempt comes, null if none does. */
  link = { state: "closed", reason: "", retryAt: null };
  /** Milliseconds there and back; null while that is not known. */
  rtt = null;
  /** Whether somebody is looking: what comes meanwhile is not unread. */
  watched = true;
  outgoing = new OutgoingMessages(this);
  transfers = new Transfers(this);
  #incoming = new IncomingMessages(this);
  #url;
  #onChange;
  #onIds;

  /**
   * @param {{url: URL, user: string, ids: string[], onChange: () => void,
   *   onIds: (ids: string[]) => void}} options `user` is who one is over all connections, `ids`
   *   are what the server called one so far
   */
  constructor({ url, user, ids, onChange, onIds }) {
    this.user = user;
    this.ids = new Set(ids);
    this.#url = url;
    this.#onChange = onChange;
    this.#onIds = onIds;
  }

  /** Something is different: show it. */
  changed() {
    this.#onChange();
  }

  // The connection

  /** Connect under a name, and enter rooms. */
  start(name, rooms = []) {
    this.name = name;
    const options = { name, user: this.user, queueAge: PATIENCE, ...HEARTBEAT };
    this.client = connect(this.#url, options);
    this.client.onChange((change) => this.#linkChanged(change));
    this.client.onRtt((rtt) => {
      this.rtt = rtt;
      this.changed();
    });
    this.client.on("welcome", (message) => this.#welcomed(message.payload));
    this.#incoming.listen(this.client);
    for (const room of rooms) this.join(room);
    this.changed();
  }

  /** Try to connect now, also after having given up. */
  again() {
    if (this.link.state === "closed") this.start(this.name);
    else this.client.reconnect();
  }

  /** Be called otherwise from now on. */
  rename(name) {
    this.name = name;
    if (this.client.isOpen) this.#introduce();
    this.changed();
  }

  #introduce() {
    const said = this.client.request("connect", { name: this.name });
    // An answer that is lost is asked for again with the next connection.
    said.then(
      () => this.#incoming.count(),
      () => {},
    );
  }

  #linkChanged({ what, state, code, reason, delay }) {
    if (what === "error" && (state === "open" || state === "closed")) return;
    // Why it was lost says more than why it cannot be had again; 1006 says nothing at all.
    const said = code === 1006 ? "" : reason;
    const why = state === "open" ? "" : state === "reconnecting" ? this.link.reason || said : said;
    const retryAt = delay === null ? null : Date.now() + delay;
    this.link = { state, reason: why, retryAt };
    if (state !== "open") this.rtt = null;
    if (what === "close") {
      for (const each of this.conversations.values()) each.disconnected();
    }
    this.changed();
  }

  async #welcomed({ client_id: id, recovered, name }) {
    this.ids.delete(id);
    this.ids.add(id);
    this.#onIds([...this.ids].slice(-IDS));
    if (name !== this.name) this.#introduce();
    // What was missed follows by itself, if the server still has it.
    if (!recovered) this.#incoming.catchUp(this.everybody, this.everybody.position);
    for (const each of this.conversations.values()) if (each.kind === "room") this.#enter(each);
    await this.#incoming.count();
    this.outgoing.deliverWaiting();
  }

  // Conversations

  /** Whether something is still to be sent: who leaves now, loses it. */
  get unfinished() {
    const waits = ({ status }) => ["pending", "waiting", "moving"].includes(status);
    return [...this.conversations.values()].some(({ entries }) => entries.some(waits));
  }

  /** Look at a conversation. */
  open(conversation) {
    if (conversation !== this.current) this.current.firstNew = null;
    this.current = conversation;
    conversation.unread = 0;
    this.changed();
  }

  /** Somebody looks at the page, or looks away. */
  watch(watched) {
    this.watched = watched;
    if (watched) this.current.unread = 0;
    this.changed();
  }

  /** Be in a room from now on; it opens with the first who enters. */
  join(name) {
    const room = this.#conversation("room", name, name);
    this.#enter(room);
    return room;
  }

  async #enter(room) {
    if (room.entering) return;
    room.entering = true;
    const since = room.position;
    try {
      await this.client.join(room.name);
      room.refused = "";
      await Promise.all([this.#incoming.catchUp(room, since), this.#incoming.count(room.name)]);
    } catch (error) {
      // What ends with the connection is done again with the next one.
      if (this.client.isOpen) room.refused = error.message;
    }
    room.entering = false;
    this.changed();
  }

  /** The conversation with one person. */
  person({ key, name }) {
    const found = this.#conversation("person", key, name);
    found.title = name;
    return found;
  }

  #conversation(kind, name, title) {
    const made = new Conversation(kind, name, title);
    const found = this.conversations.get(made.key) ?? made;
    this.conversations.set(found.key, found);
    if (found === made) this.#tidy();
    return found;
  }

  /** Strangers who write privately do not fill the page: the oldest conversations go. */
  #tidy() {
    const persons = [...this.conversations.values()].filter(({ kind }) => kind === "person");
    for (const each of persons.slice(0, -PERSONS)) {
      if (each !== this.current) this.conversations.delete(each.key);
    }
  }

  /** The client id of a conversation's person; undefined while that person is not here. */
  reach(conversation) {
    return this.client?.isOpen ? this.people.reach(conversation.name) : undefined;
  }

  /** Leave a room, or put a private conversation away. */
  leave(conversation) {
    this.transfers.drop(conversation);
    this.conversations.delete(conversation.key);
    if (conversation.kind === "room") {
      this.client.leave(conversation.name);
      this.people.forget(conversation.name);
    }
    if (this.current === conversation) this.open(this.everybody);
    this.changed();
  }
}
