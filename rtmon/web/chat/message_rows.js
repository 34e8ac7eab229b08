// Compute the rows that the message list shows: messages, date headings, and the mark where new messages
// begin. No DOM.

import { day, dayOf } from "./text_format.js";

/** Milliseconds within which consecutive messages of one author are grouped. */
const TOGETHER = 5 * 60_000;

/** @returns {{key: string, mark: string, kind: string, entry?: object, text?: string, first?: boolean}[]} */
export function rows(conversation, now) {
  const found = [];
  let before = null;
  for (const entry of conversation.entries) {
    const when = entry.time;
    const newDay = before === null || dayOf(before.time) !== dayOf(when);
    if (newDay) {
      const text = day(when, now);
      found.push({ key: `day${entry.key}`, mark: text, kind: "day", text });
    }
    const isNew = entry.key === conversation.firstNew;
    if (isNew) found.push({ key: "new", mark: "", kind: "new", text: "New" });
    const first =
      newDay ||
      isNew ||
      entry.what === "notice" ||
      before.what === "notice" ||
      before.mine !== entry.mine ||
      before.author !== entry.author ||
      before.name !== entry.name ||
      when - before.time > TOGETHER;
    const mark = `${entry.version}${first}`;
    found.push({ key: `entry${entry.key}`, mark, kind: entry.what, entry, first });
    before = entry;
  }
  return found;
}
