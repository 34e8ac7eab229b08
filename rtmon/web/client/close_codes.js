/**
 * WebSocket close codes: their names, and after which codes a client reconnects. The codes of the
 * hub are listed in docs/protocol.md.
 */

export const NORMAL = 1000;
export const ABNORMAL = 1006;
export const TOKEN_EXPIRED = 4001;
export const NO_TOKEN = 4002;

const NAMES = {
  1000: "normal",
  1001: "going away",
  1002: "protocol error",
  1003: "unsupported data",
  1005: "no status",
  1006: "abnormal",
  1007: "invalid data",
  1008: "policy violation",
  1009: "too big",
  1010: "extension missing",
  1011: "internal error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad gateway",
  1015: "TLS failure",
  4000: "no heartbeat",
  4001: "token expired",
  4002: "no token",
  4500: "unauthorized",
  4501: "replaced",
  4502: "idle",
};

const NEVER_SENT = new Set([1005, 1006, 1015]);

const FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010, 1015]);

/** Return a short text for a close code, such as "going away" for 1001. */
export function describe(code) {
  if (code in NAMES) return NAMES[code];
  // Some servers can only send private codes. They send 4113 for 1013 (the standard code plus 3100).
  // If clients must not reconnect, they add 3600 instead: 4608 for 1008.
  const standard = code - (code < 4500 ? 3100 : 3600);
  const said = standard in NAMES && standard < 3000 && !NEVER_SENT.has(standard);
  if (said && standard > 1000 && FINAL.has(standard) === (code >= 4500)) return NAMES[standard];
  if (code >= 4000 && code < 4500) return "application, come back";
  if (code >= 4500 && code < 5000) return "application, stay away";
  return code >= 3000 && code < 4000 ? "registered" : "unknown";
}

/** Return true if a client reconnects after a connection has ended with this close code. */
export function mayReconnect(code) {
  return !FINAL.has(code) && !(code >= 4500 && code < 5000);
}
