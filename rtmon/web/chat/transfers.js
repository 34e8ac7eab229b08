// File transfers of the chat page: uploads to a room or a person, and downloads to this browser.

import { bytes } from "./text_format.js";

/** Maximum number of concurrent transfers; the others are queued. The server allows eight. */
const AT_ONCE = 3;
/** Fraction of a file after which the page shows the progress of a transfer again. */
const STEP = 0.01;

/** The queue of file transfers, at most AT_ONCE of which run at the same time. */
export class Transfers {
  /** @param {import("./chat_model.js").Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.moving = 0;
    this.waiting = [];
  }

  /** Send a file to the other members of a conversation. */
  send(conversation, file) {
    const entry = this.#entry({
      mine: true,
      name: this.chat.name,
      file: file.name,
      size: file.size,
    });
    conversation.add(entry);
    this.#queue(conversation, entry, async (options) => {
      const to = conversation.kind === "person" ? this.chat.reach(conversation) : undefined;
      const room = conversation.kind === "room" ? conversation.name : undefined;
      if (!to && !room) throw new Error(`${conversation.title} is not here`);
      await this.chat.client.sendFile(file, { to, room, mime: file.type || undefined, ...options });
    });
  }

  /** Show a file that another user offers. It is downloaded only if the user requests it. */
  offered(conversation, offer, { key, name }) {
    const { name: file, size } = offer.payload;
    const entry = this.#entry({ mine: false, author: key, name, file, size, offer });
    entry.status = "offered";
    conversation.add(entry);
    return entry;
  }

  /** Download an offered file, and call `save` with the file when the download is complete. */
  take(conversation, entry, save) {
    if (entry.blob) {
      save(entry.blob, entry.file);
      return;
    }
    this.#queue(conversation, entry, async (options) => {
      entry.blob = await this.chat.client.receiveFile(entry.offer, options);
      save(entry.blob, entry.file);
    });
  }

  cancel(conversation, entry) {
    entry.abort?.abort();
    this.waiting = this.waiting.filter((each) => each.entry !== entry);
    const status = entry.offer ? "offered" : "failed";
    conversation.change(entry, { status, done: 0, reason: "You cancelled it." });
    this.chat.changed();
  }

  /** Abort the transfers of a conversation that the user has left. */
  drop(conversation) {
    for (const entry of conversation.entries) {
      if (entry.status === "waiting" || entry.status === "moving") this.cancel(conversation, entry);
    }
  }

  #entry(fields) {
    return { what: "file", time: Date.now(), status: "waiting", done: 0, reason: "", ...fields };
  }

  #queue(conversation, entry, move) {
    conversation.change(entry, { status: "waiting", done: 0, reason: "" });
    entry.again = () => this.#queue(conversation, entry, move);
    this.waiting.push({ conversation, entry, move });
    this.#next();
    this.chat.changed();
  }

  #next() {
    while (this.moving < AT_ONCE && this.waiting.length) this.#move(this.waiting.shift());
  }

  async #move({ conversation, entry, move }) {
    this.moving++;
    const abort = new AbortController();
    conversation.change(entry, { status: "moving", abort });
    const progress = (done, size) => {
      if (done < size && done - entry.done < size * STEP) return;
      entry.done = done;
      this.chat.changed();
    };
    let end = { status: "done", done: entry.size };
    try {
      await move({ progress, signal: abort.signal });
    } catch (error) {
      end = { status: "failed", reason: why(error, entry) };
    }
    if (!abort.signal.aborted) conversation.change(entry, end);
    this.moving--;
    this.#next();
    this.chat.changed();
  }
}

/** Return the text that the user sees about a failed transfer. */
function why(error, { size }) {
  if (error.code === "files_refused" && !error.retry) return "This server takes no files.";
  if (error.code === "file_too_large") return `${bytes(size)} are more than this server takes.`;
  return error.message;
}
