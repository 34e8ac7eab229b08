/** Validate values and encode them as JSON, by the same rules as the server. Pure. */

import { OptionError } from "./errors.js";
import { DATA_DEPTH } from "./limits.js";

/** Half of a surrogate pair, as a text has it that was cut inside an emoji. */
const HALF = /\p{Surrogate}/u;

/** Numbers from here on are written with an exponent, and so are no integers to the server. */
const EXPONENT = 1e21;

/** What JSON would make `{}` of without a word, and what to do about it. */
const COLLECTIONS = [
  [Promise, "await it first"],
  [Map, "send Object.fromEntries(…) of it"],
  [Set, "send Array.from(…) of it"],
  [WeakMap, "it cannot be listed"],
  [WeakSet, "it cannot be listed"],
];

/** True if a text can be sent to every receiver: no lone surrogates. */
export function isWellFormed(text) {
  return !HALF.test(text);
}

/** Bytes of an ArrayBuffer or a view of one; null of anything else. */
export function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (!ArrayBuffer.isView(value)) return null;
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/**
 * Encode a value as JSON without loss; throws OptionError if that is not possible.
 *
 * @param depth how deep lists and objects may nest
 */
export function jsonOf(value, what, depth = DATA_DEPTH) {
  const depths = new Map();
  try {
    return JSON.stringify(value, function checked(key, member) {
      checkText(key, "a key");
      const plain = unboxed(member);
      if (typeof plain === "function" || typeof plain === "symbol") {
        throw new OptionError(`'${key}' is a ${typeof plain}, which JSON does not have.`);
      }
      if (typeof plain === "number") checkNumber(plain, key);
      else if (typeof plain === "string") checkText(plain, `'${key}'`);
      else if (typeof plain === "object" && plain !== null) {
        if (bytesOf(plain) !== null) {
          throw new OptionError(`'${key}' is bytes: only data as a whole may be.`);
        }
        const advice = COLLECTIONS.find(([kind]) => plain instanceof kind)?.[1];
        if (advice) throw new OptionError(`'${key}' is a ${plain.constructor.name}: ${advice}.`);
        const level = (depths.get(this) ?? 0) + 1;
        if (level > depth) {
          throw new OptionError(`lists and objects may nest ${DATA_DEPTH} deep.`);
        }
        depths.set(plain, level);
      }
      return plain;
    });
  } catch (error) {
    throw new OptionError(`${what} cannot be sent: ${error.message}`);
  }
}

function unboxed(value) {
  return value instanceof Number || value instanceof String ? value.valueOf() : value;
}

/** JSON would silently turn such numbers into null, and the server refuses such integers. */
function checkNumber(value, key) {
  if (!Number.isFinite(value)) {
    throw new OptionError(`'${key}' is ${value}, which JSON does not have.`);
  }
  if (Math.abs(value) < EXPONENT && (value >= 2 ** 64 || value < -(2 ** 63))) {
    throw new OptionError(`'${key}' is ${value}, which does not fit into 64 bits: send it as text.`);
  }
}

function checkText(text, where) {
  if (!isWellFormed(text)) {
    throw new OptionError(`${where} has half of a surrogate pair, as a cut emoji does.`);
  }
}
