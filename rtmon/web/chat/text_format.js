// Format times, file sizes, names and links for display. No DOM.

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

/** Return a number that is the same for all times of one day in the user's time zone. */
export function dayOf(when) {
  const date = new Date(when);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}

/** Return "Today", "Yesterday", or the date of a time. */
export function day(when, now) {
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (dayOf(when) === dayOf(now)) return "Today";
  return dayOf(when) === dayOf(yesterday) ? "Yesterday" : DAY.format(when);
}

/** Return a file size as text such as "3.2 MB", where 1 MB is 1,000,000 bytes. */
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

/** Return a list of names as text: "ada", "ada and bo", or "ada, bo and 3 others". */
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

/** Return the number of one of eight colours, which depends only on the text (FNV-1a hash). */
export function hue(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % 8;
}

/** Split a text into parts `{text, href?}`. Only URLs with http or https become links. */
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
 * Return a safe name for saving an untrusted file. Folders and leading dots are removed. So are control
 * and direction characters, which can make the suffix `exe` look like `txt`. Characters that Windows does
 * not allow are replaced by `_`. Names that are reserved on Windows get the prefix `file`.
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

/**
 * Return the name of a user or a room in a form that the server accepts: without control characters, and
 * with at most 64 characters.
 */
export const label = (text) =>
  text
    .replace(/\p{Cc}/gu, " ")
    .replace(/\s+/gu, " ")
    .trim()
    .slice(0, 64);
