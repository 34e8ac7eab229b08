/** The WebSocket transport, tried first. */

import { OptionError } from "./errors.js";

const SUBPROTOCOLS = ["rtmon.v1.json"];

/** Close codes that scripts may give: 1000, and 3000 to 4999. */
const GIVEN = 1000;

/**
 * @param url of the server
 * @param WebSocket the page's, or one that does the same
 * @param subprotocols to offer; none for a server that is no hub
 */
export function webSocketTransport(
  url,
  { WebSocket = globalThis.WebSocket, subprotocols = SUBPROTOCOLS } = {},
) {
  if (WebSocket === undefined) {
    throw new OptionError("There is no WebSocket here: give one, { WebSocket } of 'ws' in Node.");
  }
  const address = addressOf(url, "ws");
  return {
    name: "websocket",
    open(query, events, token) {
      return new Connection(new WebSocket(withQuery(address, query), subprotocols), events, token);
    },
  };
}

class Connection {
  #socket;

  /** @param token pages cannot set a header, and an address ends up in logs: it is said first */
  constructor(socket, { onOpen, onMessage, onClose }, token) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (token !== undefined) socket.send(JSON.stringify({ type: "connect", payload: { token } }));
      onOpen();
    };
    socket.onmessage = ({ data }) => {
      onMessage(typeof data === "string" ? data : new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => onClose(code, reason);
    // Says nothing that the close which follows does not; but some fail where nobody listens.
    socket.onerror = () => {};
  }

  get buffered() {
    return this.#socket.bufferedAmount;
  }

  send(data) {
    this.#socket.send(data);
  }

  close(code = GIVEN, reason = "") {
    this.#socket.close(code, reason);
  }

  abort() {
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // A page cannot do better than to begin the end; 'ws' in Node can.
    if (typeof socket.terminate === "function") socket.terminate();
    else socket.close();
  }
}

/** The address with another scheme, `ws` or `http`, as secure as it was. */
export function addressOf(url, scheme) {
  let address;
  try {
    address = new URL(url, globalThis.location?.href);
  } catch {
    throw new OptionError(`'${url}' is no address: give one such as ws://localhost:8765.`);
  }
  if (!/^(ws|http)s?:$/.test(address.protocol)) {
    throw new OptionError(`'${url}' is none of ws://, wss://, http:// and https://.`);
  }
  const secure = address.protocol === "wss:" || address.protocol === "https:";
  address.protocol = secure ? `${scheme}s:` : `${scheme}:`;
  address.hash = "";
  return address;
}

/** The address with more in its query. */
export function withQuery(address, query) {
  const whole = new URL(address);
  for (const [key, value] of Object.entries(query)) whole.searchParams.set(key, value);
  return whole.href;
}
