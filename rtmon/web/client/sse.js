/**
 * The server-sent events (SSE) transport, for networks that block WebSockets. The hub's messages arrive
 * as an event stream. The client sends its messages in POST requests, one after the other to keep their
 * order.
 *
 * The stream is read with `fetch`, because EventSource does not report why an attempt failed, ignores
 * unknown event types, and reconnects on its own.
 */

import { ABNORMAL, NORMAL } from "./close_codes.js";
import { OptionError } from "./errors.js";
import { addressOf, withQuery } from "./websocket.js";

/**
 * Return the SSE transport for a hub.
 *
 * @param url URL of the event stream, or of the hub's WebSocket. In the second case, the last path
 *   segment `ws` is replaced by `events`.
 */
export function eventStreamTransport(url, { fetch = globalThis.fetch } = {}) {
  if (fetch === undefined) throw new OptionError("There is no fetch here: give one, { fetch }.");
  const address = addressOf(url, "http");
  if (!address.pathname.endsWith("/events")) {
    address.pathname = `${address.pathname.replace(/\/(ws(\/[^/]*)?)?$/, "")}/events`;
  }
  return {
    name: "sse",
    open: (query, events, token) =>
      new Connection(address, query, events, token, (...what) => fetch(...what)),
  };
}

class Connection {
  buffered = 0;
  #address;
  #events;
  #fetch;
  #token = null;
  #goodbye = null;
  #waiting = [];
  #posting = false;
  #ending = new AbortController();

  constructor(address, query, events, token, fetch) {
    this.#address = address;
    this.#events = events;
    this.#fetch = fetch;
    this.#stream(withQuery(address, query), token);
  }

  send(data) {
    this.#waiting.push(data);
    this.buffered += data.length;
    this.#post();
  }

  close(code, reason) {
    this.send(JSON.stringify({ type: "disconnect", payload: { reason } }));
  }

  abort() {
    this.#events = null;
    this.#ending.abort();
  }

  async #stream(url, token) {
    const { signal } = this.#ending;
    const headers = { Accept: "text/event-stream" };
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    try {
      const response = await this.#fetch(url, { headers, signal, cache: "no-store" });
      const kind = response.headers.get("Content-Type") ?? "";
      if (!response.ok || !kind.startsWith("text/event-stream")) {
        const { status } = response;
        const goodbye = kind.startsWith("application/json") ? await response.json() : {};
        if (Number.isInteger(goodbye.code)) {
          // The hub has refused the connection. Its response contains the code with which it would
          // have closed a WebSocket.
          this.#events?.onOpen();
          this.#ended(goodbye.code, goodbye.reason ?? "");
          return;
        }
        this.#ended(ABNORMAL, `HTTP ${status}`, { status, retryAfter: retryAfter(response) });
        return;
      }
      this.#events?.onOpen();
      for await (const data of events(response.body)) this.#take(data);
      this.#ended(...(this.#goodbye ?? [ABNORMAL, ""]));
    } catch (error) {
      this.#ended(...(this.#goodbye ?? [ABNORMAL, error.message]));
    }
  }

  #take(data) {
    if (this.#token === null || data.includes('"disconnect"')) this.#look(data);
    this.#events?.onMessage(data);
    // Messages that the client queued before the welcome can be sent now: POST needs its token.
    this.#post();
  }

  /** Read the two messages that concern the transport: `welcome` and `disconnect`. */
  #look(data) {
    const { type, payload } = JSON.parse(data);
    if (type === "welcome") this.#token ??= payload.session;
    if (type === "disconnect") this.#goodbye = [payload.code ?? NORMAL, payload.reason ?? ""];
  }

  async #post() {
    if (this.#posting || this.#token === null) return;
    this.#posting = true;
    try {
      while (this.#waiting.length > 0) {
        const body = this.#waiting[0];
        const { ok, status } = await this.#fetch(this.#address.href, {
          method: "POST",
          body,
          headers: { Authorization: `Bearer ${this.#token}` },
          signal: this.#ending.signal,
        });
        if (!ok) throw new Error(`HTTP ${status}`);
        this.#waiting.shift();
        this.buffered -= body.length;
      }
    } catch (error) {
      // It is unknown if the server has received the message. The client reconnects and sends
      // unacknowledged messages again.
      this.#ended(...(this.#goodbye ?? [ABNORMAL, error.message]));
    } finally {
      this.#posting = false;
    }
  }

  #ended(code, reason, more) {
    const events = this.#events;
    this.abort();
    events?.onClose(code, reason, more);
  }
}

/** Parse an event stream (HTML Standard, 9.2.6), and yield the data of each event. */
export async function* events(stream) {
  let data = [];
  for await (const line of lines(stream)) {
    if (line === "") {
      if (data.length > 0) yield data.join("\n");
      data = [];
    } else if (line.startsWith("data:")) {
      data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  }
}

async function* lines(stream) {
  const reader = stream.getReader();
  const text = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += text.decode(value, { stream: true });
    // A carriage return at the end may be the first half of the line end "\r\n".
    const whole = rest.endsWith("\r") ? rest.length - 1 : rest.length;
    const parts = rest.slice(0, whole).split(/\r\n|\n|\r/);
    rest = parts.pop() + rest.slice(whole);
    yield* parts;
  }
}

/** Return the value of the `Retry-After` header in milliseconds (RFC 9110, 10.2.3), or null. */
function retryAfter({ headers }) {
  const value = headers.get("Retry-After") ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const until = Date.parse(value);
  return Number.isNaN(until) ? null : Math.max(0, until - Date.now());
}
