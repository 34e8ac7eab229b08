// The chat page: restores saved settings, passes events to the chat, and draws changes.

import { Chat } from "./chat/chat_model.js";
import { Composer } from "./chat/composer.js";
import { PageLayout } from "./chat/page_layout.js";
import { Sidebars } from "./chat/sidebars.js";
import { MessageList } from "./chat/message_list.js";
import { browser, rememberBrowser, rememberTab, tab } from "./chat/browser_storage.js";
import { fileName, label } from "./chat/text_format.js";

const { user, ids, opened } = tab();
const chat = new Chat({
  url: new URL(".", location.href),
  user,
  ids,
  onChange: changed,
  onIds: (ids) => rememberTab({ ids }),
});
const frame = new PageLayout(chat, { join, named });
const log = new MessageList(chat, save);
const lists = new Sidebars(chat, pick);
const composer = new Composer(chat);

let due = false;
let rested = 0;

/** Draw all pending changes at once. */
function changed() {
  if (due) return;
  due = true;
  const rest = rested - performance.now();
  if (rest > 0) setTimeout(paint, rest);
  else paint();
}

function paint() {
  // A hidden page is not painted, but its title tells what is new.
  if (document.hidden) setTimeout(show);
  else requestAnimationFrame(show);
}

function show() {
  due = false;
  const began = performance.now();
  const now = Date.now();
  frame.show(now);
  lists.show();
  log.show(now);
  composer.show();
  remember();
  // In a flood of messages, drawing takes a quarter of the time, so that the client keeps up.
  const ended = performance.now();
  rested = ended + 3 * (ended - began);
}

let remembered = "";

/** Save the rooms, to join them again in this and in new tabs. */
function remember() {
  if (!chat.client) return;
  const all = [...chat.conversations.values()];
  const rooms = all.filter((each) => each.kind === "room").map((each) => each.name);
  const now = JSON.stringify([rooms, chat.current.key]);
  if (now === remembered) return;
  remembered = now;
  rememberBrowser({ rooms });
  rememberTab({ opened: chat.current.key });
}

function pick(conversation) {
  frame.slide(null);
  chat.open(conversation);
  // On a phone the keyboard would cover the messages.
  if (matchMedia("(pointer: fine)").matches) composer.focus();
}

function join(room) {
  pick(chat.join(room));
}

function named(name) {
  rememberBrowser({ name });
  if (chat.client) chat.rename(name);
  else start(name);
}

function start(name) {
  const invited = label(new URLSearchParams(location.search).get("room") ?? "");
  chat.start(name, browser().rooms);
  // A user who leaves the room and reloads the page is not invited again.
  history.replaceState(null, "", location.pathname);
  if (invited) join(invited);
  else pick(chat.conversations.get(opened) ?? chat.everybody);
}

/** Let the user save an untrusted file; never open it in the page. */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName(name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && !frame.slide(null)) composer.focus();
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !event.altKey) return;
  event.preventDefault();
  const all = ["everybody", "room", "person"].flatMap((kind) =>
    [...chat.conversations.values()].filter((each) => each.kind === kind),
  );
  chat.open(all.at((all.indexOf(chat.current) + step) % all.length));
});

const watch = () => chat.watch(!document.hidden && document.hasFocus());
for (const type of ["focus", "blur"]) addEventListener(type, watch);
document.addEventListener("visibilitychange", watch);
// A countdown, "today", and who is typing change with time alone.
setInterval(() => chat.link.retryAt !== null && changed(), 500);
setInterval(changed, 60_000);
addEventListener("beforeunload", (event) => chat.unfinished && event.preventDefault());
addEventListener("online", () => chat.client?.reconnect());

const { name } = browser();
show();
if (name) start(name);
else frame.askName();
