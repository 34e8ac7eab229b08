// The state of the chat page: handles the client's events, updates conversations and people, and notifies
// the views. Views read the state and change it only by calling its methods.

import { connect } from "../rtmon.js";
import { Conversation } from "./conversation.js";
import { IncomingMessages } from "./incoming.js";
import { People } from "./people.js";
import { PATIENCE, OutgoingMessages } from "./outgoing.js";
import { Transfers } from "./transfers.js";

/**
 * A dead connection is detected within 10 s, the sum of interval and timeout. The timeout is long enough
 * for an answer that waits behind a file upload on a slow network.
 */
const HEARTBEAT = { heartbeatInterval: 4_000, heartbeatTimeout: 6_000 };

/** Maximum number of private conversations. */
const PERSONS = 100;

/** Maximum number of this user's own earlier client ids that are stored. */
const IDS = 100;

/** The model of the chat page: connection, conversations and people. */
export class Chat {
  name = "";
  client = null;
  people = new People();
  everybody = new Conversation("everybody", "", "Everybody");
  conversations = new Map([[this.everybody.key, this.everybody]]);
  current = this.everybody;
  /** State of the connection; `retryAt` is the time of the next attempt, null if there is none. */
  link = { state: "closed", reason: "", retryAt: null };
  /** Round-trip time in milliseconds; null if unknown. */
  rtt = null;
  /** True while the page is visible and focused: new messages in the open conversation count as read. */
  watched = true;
  outgoing = new OutgoingMessages(this);
  transfers = new Transfers(this);
  #incoming = new IncomingMessages(this);
  #url;
  #onChange;
  #onIds;

  /**
   * @param {{url: URL, user: string, ids: string[], onChange: () => void,
   *   onIds: (ids: string[]) => void}} options `user` is the user id for all connections. `ids` are the
   *   client ids of this tab's earlier connections. `onIds` is called when this list changes.
   */
  constructor({ url, user, ids, onChange, onIds }) {
    this.user = user;
    this.ids = new Set(ids);
    this.#url = url;
    this.#onChange = onChange;
    this.#onIds = onIds;
  }

  /** Notify the views of a change. */
  changed() {
    this.#onChange();
  }

  // The connection

  /** Connect to the server with a user name, and join rooms. */
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

  /** Connect now, even if the client has stopped reconnecting. */
  again() {
    if (this.link.state === "closed") this.start(this.name);
    else this.client.reconnect();
  }

  /** Change the user's name. */
  rename(name) {
    this.name = name;
    if (this.client.isOpen) this.#introduce();
    this.changed();
  }

  #introduce() {
    const said = this.client.request("connect", { name: this.name });
    // If the connection is lost before the answer, the next connection sends the name again.
    said.then(
      () => this.#incoming.count(),
      () => {},
    );
  }

  #linkChanged({ what, state, code, reason, delay }) {
    if (what === "error" && (state === "open" || state === "closed")) return;
    // While reconnecting, keep showing why the connection was lost. That is more useful than the reasons
    // of later failed attempts. Code 1006 has no useful reason.
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
    // If `recovered` is true, the server sends the missed messages itself. Otherwise request them.
    if (!recovered) this.#incoming.catchUp(this.everybody, this.everybody.position);
    for (const each of this.conversations.values()) if (each.kind === "room") this.#enter(each);
    await this.#incoming.count();
    this.outgoing.deliverWaiting();
  }

  // Conversations

  /** True if messages or files wait to be transferred, which would be lost if the page is closed. */
  get unfinished() {
    const waits = ({ status }) => ["pending", "waiting", "moving"].includes(status);
    return [...this.conversations.values()].some(({ entries }) => entries.some(waits));
  }

  /** Show a conversation, and mark its messages as read. */
  open(conversation) {
    if (conversation !== this.current) this.current.firstNew = null;
    this.current = conversation;
    conversation.unread = 0;
    this.changed();
  }

  /** Handle a change of the page's visibility or focus. */
  watch(watched) {
    this.watched = watched;
    if (watched) this.current.unread = 0;
    this.changed();
  }

  /** Join a room. The server creates the room when its first member joins. */
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
      // If the connection was lost, the room is joined again on the next connection.
      if (this.client.isOpen) room.refused = error.message;
    }
    room.entering = false;
    this.changed();
  }

  /** Return the private conversation with a person; create it if there is none. */
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

  /** Remove the oldest private conversations if there are more than PERSONS. */
  #tidy() {
    const persons = [...this.conversations.values()].filter(({ kind }) => kind === "person");
    for (const each of persons.slice(0, -PERSONS)) {
      if (each !== this.current) this.conversations.delete(each.key);
    }
  }

  /** Return the client id of a private conversation's person; undefined while the person is offline. */
  reach(conversation) {
    return this.client?.isOpen ? this.people.reach(conversation.name) : undefined;
  }

  /** Leave a room, or remove a private conversation from the list. */
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
