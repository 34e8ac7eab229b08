// The view that shows the messages of the open conversation.

import { byId, element, icon, Keyed, say } from "./dom.js";
import { rows } from "./message_rows.js";
import { bytes, count, fileName, hue, initials, moment, pieces, time } from "./text_format.js";

/** If the list is scrolled to within so many pixels of its end, it scrolls along with new messages. */
const NEAR = 80;

export class MessageList {
  #chat;
  #save;
  #log = byId("log");
  #newer = byId("newer");
  #empty = byId("empty");
  #keyed;
  #shown = null;
  #unseen = 0;
  #last = 0;

  constructor(chat, save) {
    this.#chat = chat;
    this.#save = save;
    this.#keyed = new Keyed(byId("rows"), (row) => this.#draw(row));
    this.#newer.addEventListener("click", () => this.#toEnd());
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(this.#log);
  }

  #atEnd = true;

  show(now) {
    const conversation = this.#chat.current;
    const other = conversation !== this.#shown;
    if (other) {
      this.#keyed.clear();
      this.#atEnd = true;
      this.#unseen = 0;
      this.#last = 0;
      this.#log.setAttribute("aria-label", `Messages: ${conversation.title}`);
    }
    // Screen readers read new messages aloud, but not the history of a conversation just opened.
    this.#log.setAttribute("aria-busy", String(other || conversation.loading));
    if (other) setTimeout(() => this.#log.setAttribute("aria-busy", "false"));
    this.#keyed.show(rows(conversation, now));
    for (const entry of conversation.entries) if (entry.status === "moving") this.#progress(entry);
    const fresh = conversation.entries.filter((entry) => entry.key > this.#last);
    if (!other && !this.#atEnd) this.#unseen += fresh.filter((entry) => !entry.mine).length;
    if (this.#atEnd || fresh.some((entry) => entry.status === "pending")) this.#toEnd();
    if (other) this.#toNew();
    this.#last = fresh.reduce((most, { key }) => Math.max(most, key), this.#last);
    this.#shown = conversation;
    this.#showNewer();
    this.#showEmpty(conversation);
  }

  #showNewer() {
    this.#newer.hidden = this.#atEnd;
    say(byId("newer-text"), this.#unseen ? count(this.#unseen, "new message") : "To the end");
  }

  #showEmpty(conversation) {
    this.#empty.hidden = conversation.entries.length > 0;
    if (this.#empty.hidden) return;
    const open = this.#chat.link.state === "open";
    const [head, text] = {
      everybody: ["Say hello", "Whatever you write here is read by everybody who is connected."],
      room: [
        `This is the start of ${conversation.title}`,
        "Who knows its name can come in. Files sent here go to all who are in it.",
      ],
      person: [
        `Only you and ${conversation.title} read this`,
        "Private messages are kept nowhere: they are gone when this page is.",
      ],
    }[conversation.kind];
    const waits = conversation.loading || (!open && !conversation.position);
    say(
      byId("empty-head"),
      conversation.refused ? "You are not in this room" : waits ? "One moment" : head,
    );
    say(
      byId("empty-text"),
      conversation.refused || (waits ? "Getting what was said before." : text),
    );
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.#atEnd) this.#unseen = 0;
    this.#showNewer();
  }

  /** Scroll to the first new message if the new messages do not fit on the screen. */
  #toNew() {
    const mark = this.#keyed.node("new");
    if (mark && mark.offsetTop < this.#log.scrollTop) mark.scrollIntoView({ block: "start" });
  }

  #toEnd() {
    this.#atEnd = true;
    this.#unseen = 0;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#newer.hidden = true;
  }

  #draw({ kind, text, entry, first }) {
    if (kind === "day" || kind === "new") {
      return element(
        "div",
        { class: `mark ${kind}`, role: "separator", "aria-label": text },
        element("span", {}, text),
      );
    }
    if (kind === "notice") {
      return element("div", { class: "notice" }, icon("warn"), element("span", {}, entry.text));
    }
    const side = entry.mine ? "mine" : "theirs";
    const row = element("div", { class: `row ${side} ${entry.status} ${first ? "first" : ""}` });
    if (!entry.mine) row.append(first ? avatar(entry.name) : element("span", { class: "gutter" }));
    const who = element(
      "bdi",
      { class: first && !entry.mine ? `who hue-${hue(entry.name)}` : "spoken" },
      entry.mine ? "You" : entry.name,
    );
    const body = kind === "file" ? [this.#file(entry)] : [texts(entry), stamp(entry)];
    const bubble = element("div", { class: `bubble ${kind}` }, who, ...body);
    row.append(element("div", { class: "stack" }, bubble, this.#trouble(kind, entry)));
    return row;
  }

  #trouble(kind, entry) {
    if (entry.status !== "failed") return null;
    const conversation = this.#chat.current;
    const button = (label, call) =>
      element("button", { type: "button", class: "link", onclick: call }, label);
    const trouble = element(
      "div",
      { class: "trouble", role: "alert" },
      icon("warn"),
      element("span", {}, entry.reason),
    );
    const again = entry.again ?? (() => this.#chat.outgoing.retry(conversation, entry));
    trouble.append(button("Try again", again));
    if (entry.mine)
      trouble.append(button("Discard", () => this.#chat.outgoing.discard(conversation, entry)));
    return trouble;
  }

  #file(entry) {
    const conversation = this.#chat.current;
    const { status, size, mine } = entry;
    const moving = status === "moving" || status === "waiting";
    const state =
      {
        waiting: "Waiting for its turn",
        done: mine ? `${bytes(size)} · sent` : `${bytes(size)} · saved`,
      }[status] ?? bytes(size);
    const label = moving ? `Cancel ${entry.file}` : `Download ${entry.file}`;
    const act = moving
      ? () => this.#chat.transfers.cancel(conversation, entry)
      : () => this.#take(conversation, entry);
    const button = element(
      "button",
      {
        type: "button",
        class: "act",
        "aria-label": label,
        title: moving ? "Cancel" : "Download",
        onclick: act,
      },
      icon(moving ? "close" : "download"),
    );
    const progress = element("progress", {
      max: Math.max(1, size),
      value: 0,
      "aria-label": entry.file,
    });
    return element(
      "div",
      { class: "card" },
      element("span", { class: "sheet" }, icon("file")),
      element(
        "div",
        { class: "about" },
        element("bdi", { class: "file-name" }, fileName(entry.file)),
        element("div", { class: "line" }, element("span", { class: "state" }, state), stamp(entry)),
        moving ? progress : null,
      ),
      moving || !mine ? button : null,
    );
  }

  /**
   * Update the progress of a file transfer in the existing row. Redrawing the row would replace its
   * button, and a click on it would be lost.
   */
  #progress({ key, done, size }) {
    const row = this.#keyed.node(`entry${key}`);
    row.querySelector("progress").value = done;
    say(row.querySelector(".state"), `${bytes(done)} of ${bytes(size)}`);
  }

  #take(conversation, entry) {
    this.#chat.transfers.take(conversation, entry, this.#save);
  }
}

/** Create the round avatar of a user: the user's initials on a colour derived from the name. */
export function avatar(name) {
  return element(
    "span",
    { class: `avatar hue-${hue(name)}`, "aria-hidden": "true" },
    initials(name),
  );
}

function texts({ text }) {
  const parts = pieces(text).map(({ text, href }) =>
    href
      ? element("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, text)
      : text,
  );
  return element("span", { class: "words", dir: "auto" }, ...parts);
}

function stamp({ time: when, mine, status, what }) {
  const made = element(
    "span",
    { class: "stamp" },
    element("time", { datetime: new Date(when).toISOString(), title: moment(when) }, time(when)),
  );
  if (mine && what === "text") {
    const [drawing, words] = {
      pending: ["clock", "waiting to be sent"],
      sent: ["check", "sent"],
      failed: ["warn", "not sent"],
    }[status];
    made.append(icon(drawing), element("span", { class: "spoken" }, words));
  }
  return made;
}
