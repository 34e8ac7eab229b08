/** The chat page's data model without a browser: order, duplicates, users, and hostile texts. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "../../rtmon/web/chat/conversation.js";
import { People } from "../../rtmon/web/chat/people.js";
import { rows } from "../../rtmon/web/chat/message_rows.js";
import { bytes, fileName, initials, label, names, pieces } from "../../rtmon/web/chat/text_format.js";

const NOON = new Date(2026, 10, 23, 12).getTime();
const MINUTE = 60_000;

function said(offset, { epoch = "e", mine = false, text = `m${offset}` } = {}) {
  const position = { epoch, offset };
  return {
    what: "text",
    status: "sent",
    author: "ada",
    name: "ada",
    mine,
    text,
    position,
    time: NOON,
  };
}

function pending(text) {
  return { what: "text", status: "pending", mine: true, name: "ada", text, time: NOON };
}

const texts = (conversation) => conversation.entries.map(({ text }) => text);

test("conversation lists each message once and in order when some arrive late or twice", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const conversation = new Conversation("room", "r", "r");
    const offsets = Array.from({ length: 40 }, (_, at) => (at % 20) + 1);
    let state = seed;
    const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
    offsets.sort(() => random() - 0.5);
    for (const offset of offsets) conversation.add(said(offset));
    assert.deepEqual(
      texts(conversation),
      Array.from({ length: 20 }, (_, at) => `m${at + 1}`),
    );
    assert.equal(conversation.position.offset, 20);
  }
});

test("conversation lists the user's own message once, whether its echo or its answer arrives first", () => {
  for (const order of [["echo", "answer"], ["answer", "echo"], ["echo"], ["answer"]]) {
    const conversation = new Conversation("room", "r", "r");
    const mine = pending("hi");
    conversation.add(mine);
    conversation.add(said(1));
    for (const what of order) {
      if (what === "echo") conversation.add(said(2, { mine: true, text: "hi" }));
      else conversation.arrived(mine, { time: NOON, position: { epoch: "e", offset: 2 } });
    }
    conversation.add(said(3));
    assert.deepEqual(texts(conversation), ["m1", "hi", "m3"]);
    assert.deepEqual(new Set(conversation.entries.map(({ status }) => status)), new Set(["sent"]));
  }
});

test("conversation keeps unsent messages at its end, equal texts included", () => {
  const conversation = new Conversation("room", "r", "r");
  const [one, two] = [pending("again"), pending("again")];
  conversation.add(one);
  conversation.add(two);
  conversation.add(said(7));
  assert.deepEqual(texts(conversation), ["m7", "again", "again"]);
  conversation.add(said(8, { mine: true, text: "again" }));
  conversation.add(said(9, { mine: true, text: "again" }));
  assert.deepEqual(
    conversation.entries.map(({ position }) => position.offset),
    [7, 8, 9],
  );
});

test("conversation says once per disconnect that history was lost", () => {
  const conversation = new Conversation("room", "r", "r");
  conversation.lost(NOON);
  assert.deepEqual(conversation.entries, [], "nothing was known, so nothing is missing");
  conversation.add(said(1));
  conversation.lost(NOON);
  conversation.lost(NOON);
  conversation.add(said(1, { epoch: "f", text: "after" }));
  assert.deepEqual(
    conversation.entries.map(({ what }) => what),
    ["text", "notice", "text"],
  );
  conversation.disconnected();
  conversation.lost(NOON);
  assert.equal(conversation.entries.length, 4);
});

test("conversation drops its oldest messages when it is full", () => {
  const conversation = new Conversation("room", "r", "r");
  for (let offset = 1; offset <= 700; offset++) conversation.add(said(offset));
  assert.equal(conversation.entries.length, 500);
  assert.equal(conversation.entries[0].text, "m201");
});

test("conversation marks days and new messages, and groups messages of one sender", () => {
  const conversation = new Conversation("room", "r", "r");
  const at = (offset, time) => ({ ...said(offset), time });
  conversation.add(at(1, NOON - 24 * 60 * MINUTE));
  conversation.add(at(2, NOON));
  conversation.add(at(3, NOON + MINUTE));
  conversation.add(at(4, NOON + 9 * MINUTE));
  conversation.add({ ...at(5, NOON + 9 * MINUTE), author: "bo", name: "bo" });
  conversation.firstNew = conversation.entries[4].key;
  const shown = rows(conversation, NOON).map(({ kind, text, first }) => text ?? `${kind} ${first}`);
  const expected = ["Yesterday", "text true", "Today", "text true", "text false", "text true"];
  assert.deepEqual(shown, [...expected, "New", "text true"]);
});

test("user is listed once when a new connection replaces the old one", () => {
  const people = new People();
  const member = (client_id, user) => ({ client_id, name: "ada", user });
  people.present("", { members: [member("1", "u"), member("2")], count: 3 });
  const key = people.key("1");
  assert.deepEqual(
    people
      .list("")
      .people.map((each) => each.key)
      .sort(),
    [key, "2"].sort(),
  );
  assert.equal(people.list("").more, 1);
  assert.equal(people.reach(key), "1");
  people.went({ users: [member("1", "u")], count: 1, user_count: 2 });
  assert.equal(people.reach(key), undefined);
  assert.equal(people.key("1"), key, "what was said keeps its author");
  people.came({ users: [member("3", "u")], count: 1, user_count: 3 });
  assert.equal(people.reach(key), "3");
  assert.equal(people.came({ users: [member("4")], count: 2, user_count: 5 }), true);
});

test("client with the name of a present user is listed as another user", () => {
  const people = new People();
  const member = (client_id, user) => ({ client_id, name: client_id, user });
  people.present("", { members: [member("ada", "u")], count: 1 });
  const key = people.key("ada");
  people.came({ users: [member("eve", "u")], count: 1, user_count: 2 });
  people.met("eve", "ada");
  assert.equal(people.reach(key), "ada");
  assert.notEqual(people.key("eve"), key);
  assert.equal(people.reach(people.key("eve")), "eve");
  people.present("", { members: [member("eve", "u"), member("ada", "u")], count: 2 });
  assert.equal(people.reach(key), "ada");
});

test("private message is sent only to a present user, whatever the user's name", () => {
  const people = new People();
  people.heard("1", "long ago", { now: false });
  assert.equal(people.reach(people.key("1")), undefined);
  people.met("2", "bo");
  assert.equal(people.reach(people.key("2")), "2");
  people.heard("2", "bob");
  assert.equal(people.list("").people[0].name, "bob");
});

test("users are listed in the order of their names", () => {
  const people = new People();
  const named = ["guest 10", "bo", "guest 2", "Ada"];
  const members = named.map((name, at) => ({ client_id: `${at}`, name }));
  people.present("", { members, count: 4 });
  const names = people.list("").people.map(({ name }) => name);
  assert.deepEqual(names, ["Ada", "bo", "guest 2", "guest 10"]);
});

test("received file gets a name without path or control characters", () => {
  for (const name of [
    "../../etc/passwd",
    "..\\..\\x.txt",
    ".bashrc",
    "a\u202egnp.exe",
    "a\0b.txt",
    "CON",
    "nul.txt",
    '<img src=x onerror="alert(1)">.html',
    "",
    "...",
    "a".repeat(1000),
    "tab\there",
    "x/",
    "\u200b",
  ]) {
    const safe = fileName(name);
    assert.match(safe, /^[^\\/<>:"|?*\p{C}.\s][^\\/<>:"|?*\p{C}]*$/u, JSON.stringify(name));
    assert.ok(safe.length <= 205);
    assert.doesNotMatch(safe, /^(con|nul)(\.|$)/iu);
  }
  assert.equal(fileName("notes (2).tar.gz"), "notes (2).tar.gz");
  assert.equal(fileName("Übersicht – März.pdf"), "Übersicht – März.pdf");
});

test("text keeps every character, and only its http and https addresses become links", () => {
  for (const text of [
    "see https://example.org/a?b=c#d, and (http://x.example/)!",
    "javascript:alert(1)",
    "https://",
    "data:text/html,<b> HTTPS://EXAMPLE.ORG",
    'https://a" onclick=x',
    "https://[",
    "",
    "plain",
  ]) {
    const found = pieces(text);
    assert.equal(found.map((piece) => piece.text).join(""), text);
    for (const { href } of found) if (href) assert.match(href, /^https?:\/\/[^\s"'<>]+$/u);
  }
  const [, link, rest] = pieces("see https://example.org/a?b=c#d, and");
  assert.deepEqual([link.href, rest.text], ["https://example.org/a?b=c#d", ", and"]);
});

test("sizes, initials and lists of names are formatted for users", () => {
  assert.deepEqual([0, 999, 1000, 2_400_000, 104_857_600].map(bytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "2.4 MB",
    "105 MB",
  ]);
  assert.deepEqual(["ada", "barbara liskov", "user-07", "  ", "👩‍🚀 x"].map(initials), [
    "A",
    "BL",
    "U07",
    "?",
    "👩‍🚀X",
  ]);
  assert.equal(names(["ada", "bo", "cy", "di"]), "ada, bo and 2 others");
  assert.equal(label(" a\n\tb\0 "), "a b");
});
