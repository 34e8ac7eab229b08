/**
 * Fall back from one transport to another: WebSocket first, and server-sent events if it fails. After
 * the first transport has failed twice, attempts alternate between both.
 */

/** Number of failures in a row after which the second transport is tried. */
const PATIENCE = 2;

/** HTTP status codes that show that the server does not support the second transport. */
const NOT_THERE = new Set([404, 405, 426, 501]);

/**
 * Return a transport that tries `first`, then `second`. Once a message has arrived over `first`, the
 * network is known to support it, and `second` is never used again.
 */
export function withFallback(first, second) {
  let current = first;
  let failures = 0;
  let proven = false;
  let possible = true;

  function choose() {
    const turn = failures >= PATIENCE && (failures - PATIENCE) % 2 === 0;
    return turn && possible && !proven ? second : first;
  }

  return {
    get name() {
      return current.name;
    },
    open(query, { onOpen, onMessage, onClose }, token) {
      const transport = (current = choose());
      failures += 1;
      const events = {
        onOpen,
        onMessage(data) {
          proven ||= transport === first;
          failures = 0;
          onMessage(data);
        },
        onClose(code, reason, more) {
          if (transport === second && NOT_THERE.has(more?.status)) possible = false;
          onClose(code, reason, more);
        },
      };
      return transport.open(query, events, token);
    },
  };
}
