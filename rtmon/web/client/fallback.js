/** Use one transport until it has failed too often, then alternate with another. */

/** Attempts in a row that the first one is given. */
const PATIENCE = 2;

/** Answers of a server that has no such thing. */
const NOT_THERE = new Set([404, 405, 426, 501]);

/** Once the first transport has brought a message, the second is never tried: the way is open. */
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
