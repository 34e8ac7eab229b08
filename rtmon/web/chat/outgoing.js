// Send the user's messages. A message is shown at once, sent when the client is connected, and marked as
// pending until the server has acknowledged it.

/** Milliseconds for which a message waits for a connection before it fails: 15 minutes. */
export const PATIENCE = 15 * 60_000;

/**
 * Milliseconds between two `typing_start` messages. The server ends a typing indicator after five seconds.
 */
const TYPING_EVERY = 3_000;

/** Sends the messages that the user writes on the chat page. */
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

  /** Send the pending private messages to people who are online again. */
  deliverWaiting() {
    for (const conversation of this.#chat.conversations.values()) {
      if (conversation.kind !== "person" || !this.#chat.reach(conversation)) continue;
      const waits = ({ what, status }) => what === "text" && status === "pending";
      for (const entry of conversation.entries.filter(waits)) this.#deliver(conversation, entry);
    }
  }

  /** Tell the other users that this user has started or stopped typing. */
  typing(conversation, busy) {
    const place = this.#place(conversation);
    const last = this.#typed.get(conversation);
    if (!this.#chat.client?.isOpen || !place) return;
    if (busy ? last && Date.now() - last < TYPING_EVERY : !last) return;
    if (busy) this.#typed.set(conversation, Date.now());
    else this.#typed.delete(conversation);
    this.#chat.client.send(busy ? "typing_start" : "typing_end", place).catch(() => {});
  }

  /** Return the payload fields that name a message's recipient; null while that person is offline. */
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
      // A private message fails if its recipient is offline, so it is not queued for long. Other
      // messages wait for a connection.
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
