// Outgoing messages: shown at once, sent when connected, marked as pending until acknowledged.

/** Milliseconds that a message may wait for a connection: a quarter of an hour. */
export const PATIENCE = 15 * 60_000;

/** Milliseconds between two typing messages; the server ends the indicator after five seconds. */
const TYPING_EVERY = 3_000;

export class OutgoingMessages {
  #chat;
  #typed = new Map();

  /** @param {import("./chat_model.js").Chat} chat */
  constructor(chat) {
    this.#chat = chat;
  }

  say(conversation, text) {
    this.#typed.delete(conversation);
    conversation.firstNew = null;
    this.#begin(conversation, { what: "text", mine: true, name: this.#chat.name, text });
  }

  /** Send a failed message again. */
  retry(conversation, entry) {
    conversation.remove(entry);
    this.#begin(conversation, entry);
  }

  #begin(conversation, entry) {
    conversation.add(Object.assign(entry, { time: Date.now(), status: "pending", reason: "" }));
    this.#deliver(conversation, entry);
    this.#chat.changed();
  }

  discard(conversation, entry) {
    conversation.remove(entry);
    this.#chat.changed();
  }

  /** Send private messages to people who were offline. */
  deliverWaiting() {
    for (const conversation of this.#chat.conversations.values()) {
      if (conversation.kind !== "person" || !this.#chat.reach(conversation)) continue;
      const waits = ({ what, status }) => what === "text" && status === "pending";
      for (const entry of conversation.entries.filter(waits)) this.#deliver(conversation, entry);
    }
  }

  /** Start or stop the typing indicator. */
  typing(conversation, busy) {
    const place = this.#place(conversation);
    const last = this.#typed.get(conversation);
    if (!this.#chat.client?.isOpen || !place) return;
    if (busy ? last && Date.now() - last < TYPING_EVERY : !last) return;
    if (busy) this.#typed.set(conversation, Date.now());
    else this.#typed.delete(conversation);
    this.#chat.client.send(busy ? "typing_start" : "typing_end", place).catch(() => {});
  }

  /** Return the recipient of a message in the protocol's form; null while that person is offline. */
  #place(conversation) {
    if (conversation.kind === "everybody") return {};
    if (conversation.kind === "room") return { room: conversation.name };
    const to = this.#chat.reach(conversation);
    return to ? { to } : null;
  }

  async #deliver(conversation, entry) {
    const privately = conversation.kind === "person";
    const place = this.#place(conversation);
    if (!place || entry.sending) return;
    entry.sending = true;
    try {
      const type = privately ? "private_message" : place.room ? "room_message" : "chat_message";
      const payload = { ...place, text: entry.text, echo: privately ? undefined : true };
      // A private message needs a present connection of its recipient; others are queued.
      const options = privately ? {} : { timeout: PATIENCE };
      const { timestamp, position } = await this.#chat.client.request(type, payload, options);
      conversation.arrived(entry, { time: timestamp ?? entry.time, position });
    } catch (error) {
      const failed = { status: "failed", reason: error.message };
      if (entry.status === "pending") conversation.change(entry, failed);
    }
    entry.sending = false;
    this.#chat.changed();
  }
}
