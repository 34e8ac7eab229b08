// The parts of the chat page around a conversation: header, connection state, user name, theme, and the
// sidebars on phones.

import { byId, say } from "./dom.js";
import { SERVER } from "./people.js";
import { rememberTheme } from "./browser_storage.js";
import { count, label } from "./text_format.js";

const LINK = {
  connecting: ["Connecting", "waiting"],
  open: ["Live", "live"],
  reconnecting: ["Offline", "offline"],
  closing: ["Closing", "waiting"],
  closed: ["Disconnected", "offline"],
};

export class PageLayout {
  #chat;
  #join;
  #last = "";

  /**
   * @param join called with the name of a room that the user wants to join
   * @param named called with the name that the user has chosen
   */
  constructor(chat, { join, named }) {
    this.#chat = chat;
    this.#join = join;
    byId("theme").addEventListener("click", () => this.#switchTheme());
    byId("again").addEventListener("click", () => chat.again());
    byId("leave").addEventListener("click", () => this.#leave());
    byId("link").addEventListener("click", () => this.#copyLink());
    byId("me").addEventListener("click", () => this.askName());
    byId("open-join").addEventListener("click", () => this.askRoom());
    byId("hello").addEventListener("close", () => chat.name || this.askName());
    dialog("hello", (text) => named(text));
    dialog("join", (text) => this.#join(text));
    for (const side of ["places", "people"]) {
      byId(`show-${side}`).addEventListener("click", () => this.slide(side));
      byId(`hide-${side}`).addEventListener("click", () => this.slide(null));
    }
    byId("veil").addEventListener("click", () => this.slide(null));
    for (const width of ["1080px", "760px"]) {
      matchMedia(`(max-width: ${width})`).addEventListener("change", () => this.slide(null));
    }
  }

  askName() {
    byId("hello-field").value = this.#chat.name;
    say(byId("hello-send"), this.#chat.name ? "Change" : "Join the chat");
    byId("hello-close").hidden = !this.#chat.name;
    byId("hello").showModal();
    byId("hello-field").select();
  }

  askRoom() {
    this.slide(null);
    byId("join-field").value = "";
    byId("join").showModal();
  }

  /**
   * Open a sidebar on narrow screens; with null, close the open one. Returns true if a sidebar was open
   * before.
   */
  slide(side) {
    const before = document.body.dataset.side;
    if (side) document.body.dataset.side = side;
    else delete document.body.dataset.side;
    byId("talk").inert = Boolean(side);
    for (const each of ["places", "people"])
      byId(`show-${each}`).setAttribute("aria-expanded", String(side === each));
    if (side) byId(`hide-${side}`).focus();
    else if (before) byId(`show-${before}`).focus();
    return Boolean(before);
  }

  show(now) {
    const { link, rtt, name, current, people } = this.#chat;
    const [words, mood] = LINK[link.state];
    const pill = byId("pill");
    pill.hidden = !this.#chat.client;
    document.body.dataset.link = link.state;
    pill.className = `pill ${mood}`;
    say(byId("pill-state"), words);
    say(
      byId("pill-rtt"),
      link.state === "open" && rtt !== null
        ? `${rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms`
        : "",
    );
    if (words !== this.#last) say(byId("spoken-state"), this.#last ? words : "");
    this.#last = words;
    say(byId("me-name"), name || "Your name");

    const waits = link.retryAt === null ? 0 : Math.max(0, Math.ceil((link.retryAt - now) / 1000));
    const lost =
      link.state === "reconnecting" ||
      link.retryAt !== null ||
      (link.state === "closed" && this.#chat.client);
    byId("banner").hidden = !lost;
    byId("banner").classList.toggle("ended", link.state === "closed");
    say(
      byId("banner-text"),
      link.state === "closed"
        ? "The connection has ended."
        : `No connection. ${waits ? `Next try in ${waits} s.` : "Trying again."}`,
    );
    say(byId("banner-why"), link.reason);

    const { kind, title } = current;
    say(byId("talk-title"), title);
    const { count: number } = people.list(kind === "room" ? current.name : SERVER);
    const reached = this.#chat.reach(current);
    say(
      byId("talk-about"),
      link.state !== "open" ? "" : kind === "person" ? alone(reached) : here(number),
    );
    byId("link").hidden = kind !== "room";
    byId("leave").hidden = kind === "everybody";
    say(byId("leave-text"), kind === "room" ? "Leave" : "Close");
  }

  #leave() {
    this.#chat.leave(this.#chat.current);
    byId("field").focus();
  }

  async #copyLink() {
    const url = new URL(location.href);
    url.search = `?${new URLSearchParams({ room: this.#chat.current.name })}`;
    url.hash = "";
    try {
      await navigator.clipboard.writeText(url.href);
      this.#copied("Copied");
    } catch {
      // Copying needs HTTPS and a permission. Without them, the link is shown in the address bar.
      history.replaceState(null, "", url);
      this.#copied("In the address bar");
    }
  }

  #copied(words) {
    say(byId("link-text"), words);
    setTimeout(() => say(byId("link-text"), "Copy link"), 2_000);
  }

  #switchTheme() {
    const chosen = document.documentElement.dataset.theme;
    const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = dark ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    rememberTheme(theme);
  }
}

const alone = (reached) => (reached ? "Private · here now" : "Private · not here now");
const here = (number) =>
  number < 2 ? "Only you are here" : `${count(number, "person", "people")} here`;

/** A dialog with one text field. Esc closes the dialog, and Enter submits the text. */
function dialog(id, answered) {
  const box = byId(id);
  const field = byId(`${id}-field`);
  box.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = label(field.value);
    if (!text) return;
    box.close();
    answered(text);
  });
  byId(`${id}-close`).addEventListener("click", () => box.close());
}
