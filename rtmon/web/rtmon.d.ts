/**
 * The browser client of the rtmon hub. It reconnects automatically, recovers missed messages, and
 * reports a gap if messages were lost.
 *
 * The client uses the protocol in docs/protocol.md and behaves like the Python client (docs/client.md).
 * All times are in milliseconds. Payloads have the field names of the protocol.
 */

import type { Messages } from "./client/catalog.js";

export { MESSAGE_TYPES, type Messages, type Member as Person } from "./client/catalog.js";

export type State = "connecting" | "open" | "reconnecting" | "closing" | "closed";

/** The position of a message in the history of a channel, of a room or of the public chat. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** A message from the server. */
export interface Message<P = any> {
  readonly type: string;
  /**
   * For a message of a subscription, the published data (bytes as Uint8Array). For other messages, the
   * payload of the protocol.
   */
  readonly payload: P;
  readonly id: string | null;
  /** Milliseconds since 1970, measured by the server's clock. */
  readonly timestamp: number | null;
  readonly channel: string | null;
  /** Id of the client that sent or published the message; null for a message of the server. */
  readonly clientId: string | null;
  readonly name: string | null;
  readonly position: Position | null;
  /**
   * True if messages before this one were lost. Either the server no longer has them in its history, or
   * the application that iterates over the client was more than `buffer` messages behind.
   */
  readonly gap: boolean;
}

/** A change of a client's connection state, such as a lost connection or a reconnect. */
export interface Change {
  readonly what: "connecting" | "open" | "close" | "error" | "reconnect" | "gave_up" | "closing";
  /** The client's state after the change; `closed` if the client will not reconnect. */
  readonly state: State;
  /** The WebSocket close code, if a connection has ended; else null. */
  readonly code: number | null;
  /** The reason as text. The text of a server is untrusted: never insert it into a page as HTML. */
  readonly reason: string;
  /** Number of failures in a row so far. */
  readonly attempt: number;
  /** Milliseconds until the next attempt to connect; null if there is none. */
  readonly delay: number | null;
  /** Milliseconds without a connection, reported when the client has reconnected; else null. */
  readonly downtime: number | null;
  readonly error: Error | null;
}

/** Statistics of a client: counts of messages, attempts and reconnects. */
export interface Stats {
  readonly state: State;
  /** Number of attempts to connect, including the first one. */
  readonly attempts: number;
  readonly reconnects: number;
  readonly downtime: number;
  /** Round-trip time of the last heartbeat; null before the first. */
  readonly rtt: number | null;
  /** Number of messages that wait to be sent. */
  readonly queued: number;
  /**
   * Number of sent messages that the server has not acknowledged; null with `protocol: "plain"`, which
   * has no acknowledgements.
   */
  readonly unconfirmed: number | null;
  readonly sent: number;
  readonly received: number;
  readonly resent: number;
  /** Number of messages that were received twice. The client delivers them once. */
  readonly duplicates: number;
  /** Number of times that messages were lost because the server no longer had them. */
  readonly gaps: number;
  readonly dropped: number;
  readonly expired: number;
}

export interface Backoff {
  /** Upper bound of the first wait, in milliseconds. Default 500. */
  base?: number;
  /** Factor by which the upper bound grows with each further failure. Default 2. */
  factor?: number;
  /** Maximum of the upper bound, in milliseconds. Default 15,000. */
  max?: number;
  /**
   * Random fraction of a wait, from 0 to 1. The wait is evenly distributed between `1 - jitter` times
   * the upper bound and the upper bound. `full` (default) means 1, `none` means 0.
   */
  jitter?: "full" | "none" | number;
  /** Number of failures in a row after which the client stops reconnecting; null (default) for never. */
  attempts?: number | null;
}

export interface Batch {
  /** Number of messages after which a batch is sent, 1 to 100. Default 10. */
  size?: number;
  /** Milliseconds after the first message of a batch until the batch is sent. Default 100. */
  delay?: number;
}

/** One connection that a transport has opened. */
export interface Connection {
  /** Number of bytes in the write buffer. */
  readonly buffered: number;
  send(data: string | Uint8Array): void;
  /** Start the closing handshake. `onClose` is called when the connection has ended. */
  close(code: number, reason: string): void;
  /** Abort a connection whose server does not answer any more. `onClose` is not called. */
  abort(): void;
}

/** Opens the connections of a client. The default transport uses WebSockets. */
export interface Transport {
  readonly name: string;
  /**
   * Open a connection.
   *
   * @param query query parameters for the URL: name, user, and position in the public chat.
   * @param token the client's token. Send it in a header or in a first `connect` message, because URLs
   *   are written to log files.
   */
  open(
    query: Record<string, string>,
    events: {
      onOpen(): void;
      onMessage(data: string | Uint8Array): void;
      /**
       * Called exactly once when the connection has ended, unless it was aborted. `code` is 1006 if no
       * close frame was received. `retryAfter` is in milliseconds.
       */
      onClose(code: number, reason: string, more?: { retryAfter?: number | null }): void;
    },
    token?: string,
  ): Connection;
}

/**
 * The heartbeat of a client with `protocol: "plain"`. Heartbeats are messages, because browsers cannot
 * send WebSocket ping frames.
 */
export interface Ping {
  /** Text message that the client sends. Default `{"type":"ping","payload":{}}`. */
  send?: string;
  /** Type of the message with which the server answers, or its complete text. Default `pong`. */
  answer?: string;
}

export interface ClientOptions {
  /**
   * `rtmon` (default) for a hub. `plain` for any other server: messages are `{type, payload}` in JSON,
   * or raw, and the server sends no welcome.
   */
  protocol?: "rtmon" | "plain";
  /** Display name of the client. */
  name?: string;
  /** User id. Several connections of one user have the same user id. */
  user?: string;
  /**
   * Token that authenticates the client: a text, or a function that returns a token. The function is
   * called before each connection, and again before the token expires.
   */
  token?: string | (() => string | Promise<string>);
  /** Data about this client that other clients can read: up to 2,048 bytes of JSON. */
  info?: unknown;
  backoff?: Backoff;
  /**
   * Milliseconds after which a connection counts as stable, and the number of failures in a row is reset
   * when it ends. Default 5,000.
   */
  stableAfter?: number;
  /** Time limit of one attempt to connect, including the server's welcome. Default 10,000. */
  openTimeout?: number;
  /** Time limit of `close()`: for sending queued messages and the closing handshake. Default 5,000. */
  closeTimeout?: number;
  /** Default time limit of `request()`. Default 10,000. */
  requestTimeout?: number;
  /** Milliseconds between two heartbeats, of the client and of the server. Default 20,000. */
  heartbeatInterval?: number;
  /**
   * Milliseconds after a heartbeat within which data must arrive. Otherwise the connection is regarded as
   * dead. Default 10,000.
   */
  heartbeatTimeout?: number;
  /** The heartbeat with `protocol: "plain"`; null switches it off. */
  ping?: Ping | null;
  /** Maximum number of queued messages, which are not sent or not acknowledged yet. Default 1,000. */
  queueSize?: number;
  /**
   * What happens to a new message if the queue is full: `send` waits (`wait`, default), `send` rejects
   * with QueueFull (`refuse`), or the oldest message is dropped (`drop_oldest`).
   */
  queuePolicy?: "wait" | "refuse" | "drop_oldest";
  /** Milliseconds after which a queued message is dropped. Default 120,000. */
  queueAge?: number;
  /** Collect outgoing messages in batches; null (default) sends each message at once. */
  batch?: Batch | null;
  /** Ask the server to collect the messages to this client in batches. */
  serverBatch?: Batch | null;
  /** Maximum number of messages that wait for an application that iterates. Default 10,000. */
  buffer?: number;

  /** WebSocket class to use instead of the browser's. Node.js 20 has none: pass that of `ws`. */
  WebSocket?: any;
  fetch?: typeof fetch;
  /**
   * Fall back to server-sent events if WebSockets fail. True (default) replaces `ws` at the end of the URL
   * by `events`. A URL gives another address. False disables the fallback.
   */
  fallback?: boolean | string | URL;
  /** Transport to use instead of WebSockets and server-sent events. */
  transport?: Transport;
  /** Clock and timers to use instead of the browser's, for tests. */
  clock?: Clock;
  /** Source of random numbers from 0 to 1, for the waits between attempts to connect. */
  random?: () => number;
}

export interface Clock {
  /** Monotonic time in milliseconds. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  setTimeout(call: () => void, delay: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** Base class of all errors that a client throws. */
export class RtmonError extends Error {}
/** An option or a payload is invalid. */
export class OptionError extends RtmonError {}
/** The server has refused a message. docs/protocol.md lists the error codes. */
export class ProtocolError extends RtmonError {
  readonly code: string;
  /** True if the same message may succeed later. */
  readonly retry: boolean;
}
/** The client is closed, or has stopped reconnecting. */
export class ClientClosed extends RtmonError {
  readonly code: number | null;
}
/** The connection ended before the answer arrived. It is unknown if the server did the request. */
export class ConnectionLost extends RtmonError {}
/** The queue of outgoing messages is full. */
export class QueueFull extends RtmonError {}
/** A message waited in the queue longer than `queueAge` and was dropped. */
export class MessageExpired extends RtmonError {}
/** The answer to a request, or a connection, did not arrive within the time limit. */
export class RequestTimeout extends RtmonError {}

type Handler<T> = (value: T) => void;
/** Removes the handler that was registered. */
type Off = () => void;

/**
 * A subscription to a channel, or to a pattern such as `news.*`. It continues across reconnects, and
 * delivers each message once and in order. Pass a handler to `subscribe`, or iterate over the
 * subscription with `for await`.
 */
export interface Subscription extends AsyncIterable<Message> {
  readonly channel: string;
  /** Position of the last received message; null before the first one, and for a pattern. */
  readonly position: Position | null;
  /** Wait until the server has accepted the subscription. Rejects if the server refuses it. */
  entered(): Promise<void>;
  publish(data: unknown): Promise<void>;
  close(): void;
}

export interface FileOptions {
  /** Name of the file; by default the `name` of a File object. */
  name?: string;
  /** Id of the client that receives the file. */
  to?: string;
  /** Room whose members receive the file. Without `to` and `room`, the server receives it. */
  room?: string;
  mime?: string;
  /** Called with the number of transferred bytes, and the size of the file. */
  progress?: (done: number, size: number) => void;
  /** If the signal is aborted, the transfer rejects at once with the signal's reason. */
  signal?: AbortSignal;
}

/** A client of a hub, which reconnects automatically. Create one with `connect`. */
export class Client implements AsyncIterable<Message> {
  private constructor();
  readonly state: State;
  /** True while the client is connected. */
  readonly isOpen: boolean;
  /** The client id that the server has assigned; each connection has a new one. */
  readonly clientId: string | null;
  /** Round-trip time of the last heartbeat; null before the first. */
  readonly rtt: number | null;
  /** `websocket`, or `sse` after a fallback to server-sent events. */
  readonly transport: string;
  readonly stats: Stats;

  /** Wait until the client is connected. Rejects with ClientClosed or RequestTimeout. */
  waitOpen(options?: { timeout?: number }): Promise<void>;
  /** Connect now instead of waiting for the next attempt. Does nothing while connected. */
  reconnect(): void;
  /**
   * Close the client; it does not reconnect. A connected client first sends its queued messages, for up
   * to `closeTimeout`. An offline client drops them. Messages that may not have arrived are reported to
   * `onError` and counted in `stats.dropped`. May be called twice.
   */
  close(): Promise<void>;

  /**
   * Send a message, or queue it while the client is offline. Resolves when the queue has room for the
   * message. Messages of the types `publish`, `chat_message` and `room_message` arrive once and in order,
   * even if the connection is lost meanwhile. If the server refuses the message, `onError` is called.
   */
  send(type: string, payload?: object): Promise<void>;
  /** Send a complete message unchanged, or queue it. Only for `protocol: "plain"`. */
  sendRaw(data: string | ArrayBuffer | ArrayBufferView): Promise<void>;
  /** Send a message and wait for the server's answer. `timeout` may be Infinity. */
  request(type: string, payload?: object, options?: { timeout?: number }): Promise<Message>;
  /**
   * Publish data to a channel. `data` may be an ArrayBuffer or a view of one. With `ack`, wait for the
   * server's acknowledgement and return the position of the publication.
   */
  publish(
    channel: string,
    data: unknown,
    options?: { ack?: boolean; timeout?: number },
  ): Promise<Position | null>;
  /** Wait until the server has acknowledged all sent messages. */
  flush(): Promise<void>;

  /** Call a handler with each message of a type, or with all messages if the type is `*`. */
  on<T extends keyof Messages>(type: T, handler: Handler<Message<Messages[T]>>): Off;
  on(type: string, handler: Handler<Message>): Off;
  /** Call a handler when the first connection is open. */
  onOpen(handler: Handler<Change>): Off;
  /**
   * Call a handler when a connection has ended. `delay` is the time until the next attempt. If the client
   * will not reconnect, `delay` is null and `state` is `closed`.
   */
  onClose(handler: Handler<Change>): Off;
  /**
   * Call a handler for each failed attempt to connect, and for errors of messages that no caller waits
   * for. A connection that ends before the server's welcome is a failed attempt, with a close `code`.
   */
  onError(handler: Handler<Change>): Off;
  /** Call a handler when the client has reconnected. `downtime` is the time without a connection. */
  onReconnect(handler: Handler<Change>): Off;
  /** Call a handler when the client stops reconnecting although `close` was not called. */
  onGaveUp(handler: Handler<Change>): Off;
  /**
   * Call a handler for all changes: those above, each attempt to connect (`connecting`), and the start of
   * a close (`closing`).
   */
  onChange(handler: Handler<Change>): Off;
  /** Call a handler with the round-trip time in milliseconds after each answered heartbeat. */
  onRtt(handler: Handler<number>): Off;

  subscribe(channel: string, options?: { since?: Position }): Subscription;
  subscribe(
    channel: string,
    handler: Handler<Message>,
    options?: { since?: Position },
  ): Subscription;
  /**
   * Join a room, and join it again after each reconnect. Rejects if the server refuses, or if `leave` is
   * called before the server has answered.
   */
  join(room: string, options?: { since?: Position }): Promise<void>;
  leave(room: string): void;

  /** Upload a file. After a lost connection, the upload resumes at the last acknowledged byte. */
  sendFile(source: Blob | ArrayBuffer | ArrayBufferView, options?: FileOptions): Promise<Message>;
  /**
   * Download an offered file, and check its size and SHA-256 hash. The Blob's type is always
   * `application/octet-stream`, because the name and the media type of an offer are untrusted.
   */
  receiveFile(
    offer: Message,
    options?: Pick<FileOptions, "progress" | "signal">,
  ): Promise<Blob>;

  [Symbol.asyncIterator](): AsyncIterator<Message>;
}

/**
 * Connect to a hub, and stay connected until `close()` is called.
 *
 * @param url a URL with `ws://`, `wss://`, `http://` or `https://`, or a path on the page's own server.
 */
export function connect(url: string | URL, options?: ClientOptions): Client;
