// The composer at the bottom of the chat page: the text field for messages, and the drop target for files.

import { byId, say } from "./dom.js";
import { names } from "./text_format.js";

const FINE = matchMedia("(pointer: fine)").matches;

/** Maximum number of characters of a message that the server accepts. */
const LONGEST = 16_384;

export class Composer {
  #chat;
  #field = byId("field");
  #send = byId("send");
  #attach = byId("attach");
  #picker = byId("picker");
  #hint = byId("hint");
  #typing = byId("typing");
  #shown = null;

  constructor(chat) {
    this.#chat = chat;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("input", () => this.#input());
    this.#field.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      if (!files.length) return;
      event.preventDefault();
      this.send(files);
    });
    this.#attach.addEventListener("click", () => this.#picker.click());
    this.#picker.addEventListener("change", () => {
      this.send([...this.#picker.files]);
      this.#picker.value = "";
    });
    this.#dropping(byId("talk"), byId("drop"));
  }

  focus() {
    this.#field.focus();
  }

  /** Send files to the members of the open conversation. */
  send(files) {
    if (!this.#takesFiles()) return;
    for (const file of files) this.#chat.transfers.send(this.#chat.current, file);
  }

  show() {
    const conversation = this.#chat.current;
    if (conversation !== this.#shown) {
      this.#shown = conversation;
      this.#field.value = conversation.draft;
      this.#fit();
    }
    const { kind, title, typing } = conversation;
    const to = kind === "everybody" ? "everybody" : title;
    this.#field.placeholder = `Message ${to}`;
    this.#field.setAttribute("aria-label", `Message ${to}`);
    this.#attach.disabled = kind === "everybody" || Boolean(conversation.refused);
    this.#attach.title =
      kind === "everybody" ? "Files go to a room or to one person" : "Send a file";
    this.#field.disabled = this.#send.disabled = Boolean(conversation.refused);
    say(this.#hint, this.#advice(conversation));
    this.#hint.classList.toggle("bad", this.#excess > 0);
    const who = [...new Set(typing.values())];
    say(this.#typing, who.length ? `${names(who)} ${who.length === 1 ? "is" : "are"} typing` : "");
    this.#typing.classList.toggle("busy", who.length > 0);
  }

  /** Number of characters by which the text is longer than the server accepts. */
  get #excess() {
    return this.#field.value.length - LONGEST;
  }

  /** Update the hint, which says who receives the message, or why it cannot be sent. */
  #advice(conversation) {
    const { link, client } = this.#chat;
    const { kind, title } = conversation;
    if (this.#excess > 0) {
      return `${this.#excess.toLocaleString()} characters too many: send it as a file.`;
    }
    if (link.state === "closed") return client ? "Connect again to send what you write." : "";
    if (link.state !== "open") return "You are offline. What you write is sent when you are back.";
    if (kind === "person" && !this.#chat.reach(conversation)) {
      return `${title} is not here now. What you write is sent when ${title} is back, if this page is still open.`;
    }
    return FINE ? "Enter sends, Shift + Enter begins a new line." : "";
  }

  #takesFiles() {
    const { kind, refused } = this.#chat.current;
    return kind !== "everybody" && !refused;
  }

  #say() {
    const text = this.#field.value.trim();
    if (!text || this.#excess > 0) return;
    this.#field.value = this.#chat.current.draft = "";
    this.#fit();
    this.#chat.outgoing.say(this.#chat.current, text);
    this.focus();
  }

  #key(event) {
    // While an input method composes a character, Enter selects the character and must not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#say();
  }

  #input() {
    this.#chat.current.draft = this.#field.value;
    this.#fit();
    this.#chat.outgoing.typing(this.#chat.current, this.#field.value.trim() !== "");
    this.show();
  }

  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
    this.#send.classList.toggle("ready", this.#field.value.trim() !== "");
  }

  #dropping(area, veil) {
    let depth = 0;
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    const show = () => {
      veil.hidden = depth === 0;
      const { kind, title } = this.#chat.current;
      const takes = this.#takesFiles();
      veil.classList.toggle("no", !takes);
      const to = kind === "room" ? `everybody in ${title}` : title;
      say(
        byId("drop-text"),
        takes ? `Send to ${to}` : "Files go to a room or to one person: open one first",
      );
    };
    area.addEventListener("dragenter", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      depth++;
      show();
    });
    area.addEventListener("dragleave", (event) => {
      if (!carries(event)) return;
      depth = Math.max(0, depth - 1);
      show();
    });
    // If a file is dropped outside the drop target, the browser must not open it in place of the page.
    for (const type of ["dragover", "drop"]) {
      addEventListener(type, (event) => carries(event) && event.preventDefault());
    }
    area.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      depth = 0;
      show();
      this.send([...event.dataTransfer.files]);
    });
  }
}
