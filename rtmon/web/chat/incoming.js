// Handle messages from other users: live messages, and missed messages from the server's history.

import { SERVER } from "./people.js";

/** Maximum number of history requests in a row, each of which returns one page of missed messages. */
const PAGES = 5;

/**
 * Milliseconds for which `user_joined` and `user_left` messages without names are collected before the
 * number of people is requested.
 */
const CROWD = 500;

/** Adds received messages to the conversations of the chat page. */
export class IncomingMessages {
  #chat;
  #counting = new Map();

  /** @param {import("./chat_model.js").Chat} chat */
  constructor(chat) {
    this.#chat = chat;
  }

  /** Register the handlers for all message types on a client. */
  listen(client) {
    const hear = (type, call) =>
      client.on(type, (message) => {
        call(message.payload, message);
        this.#chat.changed();
      });
    hear("chat_message", (payload, message) => this.#said(this.#chat.everybody, message));
    hear("room_message", ({ room }, message) => this.#said(this.#room(room), message));
    hear("private_message", (payload) => this.#privately(payload));
    hear("file_offer", (payload, message) => this.#offered(message));
    hear("typing_start", (payload) => this.#typist(payload, true));
    hear("typing_end", (payload) => this.#typist(payload, false));
    hear("user_joined", (payload) => this.#crowd(payload, "came"));
    hear("user_left", (payload) => this.#crowd(payload, "went"));
  }

  /**
   * Request the missed messages of a conversation from the server's history. Add a notice if the server
   * no longer has some of them.
   *
   * @param {{epoch: string, offset: number} | null} since the last known position; null for none
   */
  async catchUp(conversation, since) {
    const { client } = this.#chat;
    const place = conversation.kind === "room" ? { room: conversation.name } : {};
    conversation.loading = !since;
    try {
      for (let page = 0; page < PAGES; page++) {
        const asked = since ? { ...place, since } : place;
        const { payload } = await client.request("history", asked);
        if (since && payload.recovered === false) conversation.lost(Date.now());
        if (since && payload.epoch !== since.epoch) {
          since = null; // The server was restarted with a new history: request all of it.
          continue;
        }
        for (const message of payload.messages) {
          const { epoch, offset } = message.payload;
          this.#take(conversation, { ...message, position: { epoch, offset } }, { old: true });
        }
        if (!payload.more) break;
        since = { epoch: payload.epoch, offset: payload.offset };
      }
    } catch {
      // The connection was lost. The request is repeated on the next connection.
    }
    conversation.loading = false;
    this.#chat.changed();
  }

  /** Request the list of people in a room or on the whole server. */
  async count(room = SERVER) {
    try {
      const place = room === SERVER ? {} : { room };
      const { payload } = await this.#chat.client.request("presence", place);
      this.#chat.people.present(room, payload);
    } catch {
      // The connection was lost. The request is repeated on the next connection.
    }
    this.#chat.changed();
  }

  #room(name) {
    return this.#chat.conversations.get(`room:${name}`);
  }

  #said(conversation, message) {
    if (!conversation) return;
    if (message.gap) conversation.lost(message.payload.timestamp);
    this.#take(conversation, message);
    conversation.typing.delete(message.payload.client_id);
  }

  #take(conversation, { payload, position, timestamp }, { old = false } = {}) {
    const { client_id: id = "", name = "the server", text } = payload;
    if (typeof text !== "string") return; // Messages with `data` instead of text are for programs.
    const { people, ids } = this.#chat;
    if (id) people.heard(id, name, { now: !old });
    const time = payload.timestamp ?? timestamp ?? Date.now();
    const said = { author: people.key(id), mine: ids.has(id), name, text, time, position };
    const entry = { what: "text", status: "sent", ...said };
    if (conversation.add(entry) && !old && !entry.mine) this.#news(conversation, entry);
  }

  #privately({ from, name, text, timestamp }) {
    if (typeof text !== "string") return;
    const { people } = this.#chat;
    people.met(from, name);
    const author = people.key(from);
    const conversation = this.#chat.person({ key: author, name });
    conversation.typing.delete(from);
    const said = { author, mine: false, name, text, time: timestamp };
    const entry = { what: "text", status: "sent", ...said };
    conversation.add(entry);
    this.#news(conversation, entry);
  }

  #offered(message) {
    const { people, transfers } = this.#chat;
    const { from = "", room } = message.payload;
    const who = { key: people.key(from), name: people.name(from) };
    const conversation = room === undefined ? this.#chat.person(who) : this.#room(room);
    if (conversation) this.#news(conversation, transfers.offered(conversation, message, who));
  }

  #news(conversation, entry) {
    if (conversation === this.#chat.current && this.#chat.watched) return;
    if (!conversation.unread) conversation.firstNew = entry.key;
    conversation.unread++;
  }

  #typist({ client_id: id, name, room, to }, busy) {
    const { people, conversations, everybody } = this.#chat;
    const key = to ? `person:${people.key(id)}` : room ? `room:${room}` : everybody.key;
    const typing = conversations.get(key)?.typing;
    if (busy) typing?.set(id, name);
    else typing?.delete(id);
  }

  #crowd(payload, how) {
    const room = payload.room ?? SERVER;
    const unnamed = this.#chat.people[how](payload);
    if (unnamed && !this.#counting.has(room)) {
      const count = () => {
        this.#counting.delete(room);
        this.count(room);
      };
      this.#counting.set(room, setTimeout(count, CROWD));
    }
    if (room === SERVER && how === "came") this.#chat.outgoing.deliverWaiting();
  }
}
