/** The WebSocket transport, which a client tries before server-sent events. */

import { OptionError } from "./errors.js";

const SUBPROTOCOLS = ["rtmon.v1.json"];

/** Default close code. Browsers allow a page to send only 1000 and the codes from 3000 to 4999. */
const GIVEN = 1000;

/**
 * Return the WebSocket transport for a server.
 *
 * @param url URL of the server
 * @param WebSocket the browser's WebSocket class, or one with the same interface
 * @param subprotocols subprotocols to offer in the handshake; empty for a server that is not a hub
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

  /**
   * @param token sent in the first message. A page cannot set a header of the handshake, and a URL with
   *   a token would be written to log files.
   */
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
    // A `close` event with the same information follows, so errors are ignored. The handler is needed,
    // because 'ws' in Node.js throws if an error event has no handler.
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
    // Browsers cannot abort a WebSocket, so close() is called. The 'ws' package in Node.js can.
    if (typeof socket.terminate === "function") socket.terminate();
    else socket.close();
  }
}

/** Return a URL with the scheme `ws` or `http`, or with `wss` or `https` if the given URL uses TLS. */
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

/** Return a URL as text, with query parameters added. */
export function withQuery(address, query) {
  const whole = new URL(address);
  for (const [key, value] of Object.entries(query)) whole.searchParams.set(key, value);
  return whole.href;
}
