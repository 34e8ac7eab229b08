// Format times, sizes, names and links for display. Pure.

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});

export const time = (when) => TIME.format(when);
export const moment = (when) => MOMENT.format(when);

/** The day of a moment, as a number that differs for different days, in the reader's time zone. */
export function dayOf(when) {
  const date = new Date(when);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

/** "Today", "Yesterday", or the date. */
export function day(when, now) {
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (dayOf(when) === dayOf(now)) return "Today";
  return dayOf(when) === dayOf(yesterday) ? "Yesterday" : DAY.format(when);
}

/** "3.2 MB", with units of a thousand. */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let value = count;
  while (value >= 999.5 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${units[0] === "B" || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[0]}`;
}

export const count = (number, one, many = `${one}s`) =>
  `${number.toLocaleString()} ${number === 1 ? one : many}`;

/** "ada", "ada and bo", "ada, bo and 3 others". */
export function names(list) {
  if (list.length < 2) return list.join("");
  if (list.length === 2) return `${list[0]} and ${list[1]}`;
  return `${list[0]}, ${list[1]} and ${count(list.length - 2, "other")}`;
}

const LETTERS = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Return the initials of a name: one or two letters, or a letter and a short number. */
export function initials(name) {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const first = (word) => LETTERS.segment(word)[Symbol.iterator]().next().value?.segment ?? "";
  const short = (word) => (/^\d{1,2}$/.test(word) ? word : first(word));
  return words.slice(0, 2).map(short).join("").toLocaleUpperCase() || "?";
}

/** One of eight colours, always the same for the same text (FNV-1a). */
export function hue(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % 8;
}

/** A text as `{text, href?}`: only http and https become links. */
export function pieces(text) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"'`]+/giu)) {
    const address = match[0].replace(/[.,:;!?)\]}]+$/u, "");
    if (!URL.canParse(address)) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index) });
    found.push({ text: address, href: new URL(address).href });
    from = match.index + address.length;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

/**
 * A name under which a stranger's file may be saved: no folders, nothing invisible (control and
 * direction characters can make `exe` look like `txt`), nothing hidden, nothing reserved.
 */
export function fileName(name) {
  const plain = name
    .replace(/^.*[\\/]/su, "")
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, "")
    .replace(/[<>:"|?*]/gu, "_")
    .replace(/^[.\s]+|[.\s]+$/gu, "")
    .slice(0, 200);
  return plain && !/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/iu.test(plain)
    ? plain
    : `file ${plain}`.trim();
}

/** Clean the name of a user or a room: remove characters that the server refuses. */
export const label = (text) =>
  text
    .replace(/\p{Cc}/gu, " ")
    .replace(/\s+/gu, " ")
    .trim()
    .slice(0, 64);
