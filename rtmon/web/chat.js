// Entry point of the chat page: restores saved settings, passes user input to the chat model, and redraws
// the page after changes.

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

/** Schedule a redraw of the page, which shows all changes since the last one. */
function changed() {
  if (due) return;
  due = true;
  const rest = rested - performance.now();
  if (rest > 0) setTimeout(paint, rest);
  else paint();
}

function paint() {
  // Browsers do not run animation frames of a hidden page, but its title must show unread messages.
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
  // If many messages arrive, redrawing takes at most a quarter of the time. The rest is left for
  // receiving messages.
  const ended = performance.now();
  rested = ended + 3 * (ended - began);
}

let remembered = "";

/** Save the joined rooms in the browser, to join them again after a reload and in new tabs. */
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
  // On a phone, focusing the text field would open the keyboard and cover the messages.
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
  // The parameter `room` is removed from the URL. Otherwise a user who has left the room would join it
  // again after a reload.
  history.replaceState(null, "", location.pathname);
  if (invited) join(invited);
  else pick(chat.conversations.get(opened) ?? chat.everybody);
}

/** Let the browser save a received file. The file is untrusted, so it is never opened in the page. */
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
// The countdown to a reconnect, dates such as "Today", and typing indicators change without an event.
setInterval(() => chat.link.retryAt !== null && changed(), 500);
setInterval(changed, 60_000);
addEventListener("beforeunload", (event) => chat.unfinished && event.preventDefault());
addEventListener("online", () => chat.client?.reconnect());

const { name } = browser();
show();
if (name) start(name);
else frame.askName();
