// What one says: shown at once, sent when it can be, and marked until the server has it.

/** Messages may wait for a quarter of an hour: who writes in a tunnel comes out of it. */
export const PATIENCE = 15 * 60_000;

/** Between two words to the server that one is still typing; after five seconds it takes it back. */
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

  /** Send again what could not be sent. */
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

  /** Send what was written to people who were not here. */
  deliverWaiting() {
    for (const conversation of this.#chat.conversations.values()) {
      if (conversation.kind !== "person" || !this.#chat.reach(conversation)) continue;
      const waits = ({ what, status }) => what === "text" && status === "pending";
      for (const entry of conversation.entries.filter(waits)) this.#deliver(conversation, entry);
    }
  }

  /** Something is being typed, or is no more. */
  typing(conversation, busy) {
    const place = this.#place(conversation);
    const last = this.#typed.get(conversation);
    if (!this.#chat.client?.isOpen || !place) return;
    if (busy ? last && Date.now() - last < TYPING_EVERY : !last) return;
    if (busy) this.#typed.set(conversation, Date.now());
    else this.#typed.delete(conversation);
    this.#chat.client.send(busy ? "typing_start" : "typing_end", place).catch(() => {});
  }

  /** Whom a message is for, in the protocol's words; null while that person is not here. */
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
      // A private message is for a connection that is there now, any other waits for one.
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
