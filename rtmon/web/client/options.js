/** Validate the options of `connect`, and add the default values. */

import { OptionError } from "./errors.js";
import { BATCH_DELAY, BATCH_MESSAGES, INFO_SIZE, NAME_LENGTH, TOKEN_LENGTH } from "./limits.js";
import { isWellFormed, jsonOf } from "./values.js";

const DAY = 86_400_000;

const BACKOFF = { base: 500, factor: 2, max: 15_000, jitter: "full", attempts: null };
const BATCH = { size: 10, delay: 100 };

const PING = { send: '{"type":"ping","payload":{}}', answer: "pong" };

/** Options that cannot be used with `protocol: "plain"`, because only a hub supports them. */
const FOR_HUBS = ["name", "user", "token", "info", "serverBatch"];

const DEFAULTS = {
  protocol: "rtmon",
  name: undefined,
  user: undefined,
  token: undefined,
  info: undefined,
  backoff: BACKOFF,
  stableAfter: 5_000,
  openTimeout: 10_000,
  closeTimeout: 5_000,
  requestTimeout: 10_000,
  heartbeatInterval: 20_000,
  heartbeatTimeout: 10_000,
  ping: undefined,
  queueSize: 1_000,
  queuePolicy: "wait",
  queueAge: 120_000,
  batch: null,
  serverBatch: null,
  buffer: 10_000,
};

/** Return the given options with defaults for all others, frozen. Throws OptionError if invalid. */
export function complete(given) {
  const options = merged(DEFAULTS, given, "connect()");
  options.backoff = Object.freeze(merged(BACKOFF, given.backoff, "backoff"));
  if (options.protocol !== "plain" && options.ping !== undefined) {
    throw new OptionError("ping is for protocol: 'plain'; a hub is asked in its own way.");
  }
  if (options.protocol === "plain" && options.ping !== null) {
    options.ping = Object.freeze(merged(PING, given.ping, "ping"));
  }
  options.ping ??= null;
  for (const name of ["batch", "serverBatch"]) {
    if (options[name] !== null) options[name] = Object.freeze(merged(BATCH, given[name], name));
  }
  check(options);
  return Object.freeze(options);
}

function merged(defaults, given = {}, where) {
  if (typeof given !== "object" || given === null) {
    throw new OptionError(`${where} is ${given}: give an object.`);
  }
  const result = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    if (!(name in defaults)) {
      const known = Object.keys(defaults).join(", ");
      throw new OptionError(`${where} has no option '${name}'; it has ${known}.`);
    }
    if (value !== undefined) result[name] = value;
  }
  return result;
}

function check(options) {
  const { backoff } = options;
  oneOf("protocol", options.protocol, ["rtmon", "plain"]);
  if (options.protocol === "plain") checkPlain(options);
  for (const name of ["name", "user"]) {
    const value = options[name];
    if (value !== undefined && !isName(value)) {
      throw new OptionError(`${name} is no name: give up to ${NAME_LENGTH} printable characters.`);
    }
  }
  if (options.token !== undefined && typeof options.token !== "function") {
    checkToken(options.token, "token is none");
  }
  if (options.info !== undefined) {
    const size = new TextEncoder().encode(jsonOf(options.info, "info")).length;
    within("size of info in bytes", size, 0, INFO_SIZE);
  }
  oneOf("queuePolicy", options.queuePolicy, ["wait", "refuse", "drop_oldest"]);
  for (const name of [
    "openTimeout",
    "closeTimeout",
    "requestTimeout",
    "heartbeatInterval",
    "heartbeatTimeout",
    "queueAge",
  ]) {
    within(name, options[name], 1, DAY);
  }
  within("stableAfter", options.stableAfter, 0, DAY);
  within("queueSize", options.queueSize, 1, 1_000_000);
  within("buffer", options.buffer, 1, 10_000_000);
  within("backoff.max", backoff.max, 1, DAY);
  within("backoff.base", backoff.base, 1, backoff.max);
  within("backoff.factor", backoff.factor, 1, Infinity);
  if (typeof backoff.jitter === "number") within("backoff.jitter", backoff.jitter, 0, 1);
  else oneOf("backoff.jitter", backoff.jitter, ["full", "none"]);
  if (backoff.attempts !== null) within("backoff.attempts", backoff.attempts, 0, Infinity);
  for (const name of ["batch", "serverBatch"]) {
    if (options[name] === null) continue;
    within(`${name}.size`, options[name].size, 1, BATCH_MESSAGES);
    within(`${name}.delay`, options[name].delay, 1, BATCH_DELAY);
  }
}

function checkPlain(options) {
  const given = FOR_HUBS.find((name) => (options[name] ?? undefined) !== undefined);
  if (given !== undefined) {
    throw new OptionError(
      `${given} is for a hub: leave it out with protocol 'plain', and send what your server takes.`,
    );
  }
  for (const [name, value] of Object.entries(options.ping ?? {})) {
    if (typeof value !== "string") throw new OptionError(`ping.${name} is ${value}: give a text.`);
  }
}

/**
 * Throw OptionError if a token is invalid. The error message does not contain the token, because an
 * invalid token may still be a secret.
 */
export function checkToken(value, problem) {
  if (typeof value === "string" && value.length <= TOKEN_LENGTH && /^[!-~]+$/.test(value)) return;
  throw new OptionError(
    `${problem}: give up to ${TOKEN_LENGTH} printable characters without spaces.`,
  );
}

function isName(value) {
  if (typeof value !== "string" || value.length > NAME_LENGTH) return false;
  return isWellFormed(value) && !/[\0-\x1f\x7f]/.test(value);
}

function within(what, value, low, high) {
  if (typeof value !== "number" || !(low <= value && value <= high)) {
    throw new OptionError(`${what} is ${value}: give a number from ${low} to ${high}.`);
  }
}

function oneOf(what, value, choices) {
  if (!choices.includes(value)) {
    throw new OptionError(`${what} is '${value}': give ${choices.join(", ")}.`);
  }
}
