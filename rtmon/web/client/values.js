/** Validate values and encode them as JSON, with the same rules as the server. No I/O. */

import { OptionError } from "./errors.js";
import { DATA_DEPTH } from "./limits.js";

/** Matches half of a surrogate pair, which is left over if a text is cut inside an emoji. */
const HALF = /\p{Surrogate}/u;

/** JavaScript writes numbers from this size on with an exponent, so the server reads them as floats. */
const EXPONENT = 1e21;

/** Types that JSON.stringify silently encodes as `{}`, each with the advice for the error message. */
const COLLECTIONS = [
  [Promise, "await it first"],
  [Map, "send Object.fromEntries(…) of it"],
  [Set, "send Array.from(…) of it"],
  [WeakMap, "it cannot be listed"],
  [WeakSet, "it cannot be listed"],
];

/** Return true if a text contains no lone surrogates, which cannot be encoded as UTF-8. */
export function isWellFormed(text) {
  return !HALF.test(text);
}

/** Return the bytes of an ArrayBuffer or of a view of one as Uint8Array; null for other values. */
export function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (!ArrayBuffer.isView(value)) return null;
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/**
 * Encode a value as JSON. Throws OptionError if JSON cannot represent the value exactly.
 *
 * @param what name of the value in the error message
 * @param depth maximum nesting depth of lists and objects
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

/**
 * Throw OptionError for NaN and infinities, which JSON.stringify encodes as null, and for integers of
 * more than 64 bits, which the server refuses.
 */
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
