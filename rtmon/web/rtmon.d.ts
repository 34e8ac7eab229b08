/**
 * The browser client of the rtmon hub: reconnects, goes on where it was, and says so when it cannot.
 *
 * It speaks docs/protocol.md and behaves as the Python client does (docs/client.md). All times are
 * in milliseconds. Payloads have the protocol's own field names.
 */

import type { Messages } from "./client/catalog.js";

export { MESSAGE_TYPES, type Messages, type Member as Person } from "./client/catalog.js";

export type State = "connecting" | "open" | "reconnecting" | "closing" | "closed";

/** A place in the history of a channel, a room or the chat. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** A message from the server. */
export interface Message<P = any> {
  readonly type: string;
  /** Of a message in a subscription, what was published (bytes as Uint8Array); else the payload. */
  readonly payload: P;
  readonly id: string | null;
  /** Milliseconds since 1970, by the server's clock. */
  readonly timestamp: number | null;
  readonly channel: string | null;
  /** Who said or published it; null if the server did. */
  readonly clientId: string | null;
  readonly name: string | null;
  readonly position: Position | null;
  /**
   * Something before this message was lost: the server no longer has it, or who iterates over the
   * client was more than `buffer` messages behind.
   */
  readonly gap: boolean;
}

/** What happened to a client. */
export interface Change {
  readonly what: "connecting" | "open" | "close" | "error" | "reconnect" | "gave_up" | "closing";
  /** After it; `closed` if the client will not try again. */
  readonly state: State;
  /** The close code, if a connection ended. */
  readonly code: number | null;
  /** In words. Those of a server may be anybody's: show them as text. */
  readonly reason: string;
  /** Failures in a row so far. */
  readonly attempt: number;
  /** Until the next attempt; null if there is none. */
  readonly delay: number | null;
  /** Time without a connection, once it is back. */
  readonly downtime: number | null;
  readonly error: Error | null;
}

/** A client's own numbers. */
export interface Stats {
  readonly state: State;
  /** To connect, the first one included. */
  readonly attempts: number;
  readonly reconnects: number;
  readonly downtime: number;
  /** Round-trip time of the last heartbeat; null before the first. */
  readonly rtt: number | null;
  /** Messages that wait to be sent. */
  readonly queued: number;
  /** Messages sent that the server is not known to have; null where a plain server cannot say. */
  readonly unconfirmed: number | null;
  readonly sent: number;
  readonly received: number;
  readonly resent: number;
  /** Messages received twice, and delivered once. */
  readonly duplicates: number;
  /** Number of times that history was lost. */
  readonly gaps: number;
  readonly dropped: number;
  readonly expired: number;
}

export interface Backoff {
  /** What the first wait is bounded by. Default 500. */
  base?: number;
  /** By which the bound grows with each further failure. Default 2. */
  factor?: number;
  /** What no bound exceeds. Default 15,000. */
  max?: number;
  /**
   * The share of a wait that is left to chance, from 0 to 1: it lies evenly between `1 - jitter`
   * times the bound and the bound. `full` (default) is 1, `none` is 0.
   */
  jitter?: "full" | "none" | number;
  /** Failures in a row after which to give up; null (default) never does. */
  attempts?: number | null;
}

export interface Batch {
  /** Send when so many are collected, 1 to 100. Default 10. */
  size?: number;
  /** Send at the latest so long after the first. Default 100. */
  delay?: number;
}

/** One connection, as the client sees it. */
export interface Connection {
  /** Bytes that wait to leave. */
  readonly buffered: number;
  send(data: string | Uint8Array): void;
  /** Begin an orderly end; `onClose` follows. */
  close(code: number, reason: string): void;
  /** Cut it: the other end does not answer any more. `onClose` does not follow. */
  abort(): void;
}

/** How connections are made: WebSocket by default. */
export interface Transport {
  readonly name: string;
  /**
   * @param query who one is, and where in the chat one was: to be added to the address.
   * @param token to be shown where it is kept in no log: in a header, or in a first `connect`.
   */
  open(
    query: Record<string, string>,
    events: {
      onOpen(): void;
      onMessage(data: string | Uint8Array): void;
      /** Exactly once, unless aborted. 1006 where there was no close frame. `retryAfter` is in
       * milliseconds. */
      onClose(code: number, reason: string, more?: { retryAfter?: number | null }): void;
    },
    token?: string,
  ): Connection;
}

/** What a plain client asks its server with, as pages cannot send ping frames. */
export interface Ping {
  /** The text to send. Default `{"type":"ping","payload":{}}`. */
  send?: string;
  /** What answers it: a message of this type, or this text as a whole. Default `pong`. */
  answer?: string;
}

export interface ClientOptions {
  /**
   * `rtmon` (default) for a hub; `plain` for any server that takes `{type, payload}` in JSON, or raw
   * messages, and says no welcome.
   */
  protocol?: "rtmon" | "plain";
  /** What the client calls itself. */
  name?: string;
  /** Whose connection this is. */
  user?: string;
  /**
   * Who the client is, for servers that ask: a text, or a function that is called before each
   * connection, and again before its token expires.
   */
  token?: string | (() => string | Promise<string>);
  /** Anything that others may know, JSON of up to 2,048 bytes. */
  info?: unknown;
  backoff?: Backoff;
  /** A connection that lasted less counts as one more failure in a row. Default 5,000. */
  stableAfter?: number;
  /** For one attempt, until the server's welcome. Default 10,000. */
  openTimeout?: number;
  /** For an explicit close: what is still to be sent, and the closing handshake. Default 5,000. */
  closeTimeout?: number;
  /** For the answer to a request, unless it says otherwise. Default 10,000. */
  requestTimeout?: number;
  /** Between two heartbeats, each way. Default 20,000. */
  heartbeatInterval?: number;
  /** For a sign of life after a heartbeat; then the link is dead. Default 10,000. */
  heartbeatTimeout?: number;
  /** The heartbeat of a plain client; null switches it off. */
  ping?: Ping | null;
  /** Messages that wait to be sent, or to be known as received by the server. Default 1,000. */
  queueSize?: number;
  /** One more: the sender waits, QueueFull, or the one that waits longest goes. Default `wait`. */
  queuePolicy?: "wait" | "refuse" | "drop_oldest";
  /** How long a message may wait before it is dropped. Default 120,000. */
  queueAge?: number;
  /** Collect what is sent; null (default) sends each message at once. */
  batch?: Batch | null;
  /** Ask the server to collect what it sends here. */
  serverBatch?: Batch | null;
  /** Messages that an iterated subscription holds for its reader. Default 10,000. */
  buffer?: number;

  /** Injected instead of what the page has; Node 20 has no WebSocket. */
  WebSocket?: any;
  fetch?: typeof fetch;
  /**
   * Go on with server-sent events where no WebSocket gets through: at `events` beside the url's
   * `ws` (true, the default), or at this address; false never does.
   */
  fallback?: boolean | string | URL;
  /** Instead of both. */
  transport?: Transport;
  /** Where time comes from: milliseconds that only grow, and timers. */
  clock?: Clock;
  /** From 0 to 1, for the waits between attempts. */
  random?: () => number;
}

export interface Clock {
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  setTimeout(call: () => void, delay: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** What a client raises on purpose. */
export class RtmonError extends Error {}
/** An option or a payload makes no sense. */
export class OptionError extends RtmonError {}
/** The server refused; docs/protocol.md lists the codes. */
export class ProtocolError extends RtmonError {
  readonly code: string;
  /** Whether the same message may succeed later. */
  readonly retry: boolean;
}
/** The client is closed, or has given up reconnecting. */
export class ClientClosed extends RtmonError {
  readonly code: number | null;
}
/** The connection ended before the answer came: whether it was done is not known. */
export class ConnectionLost extends RtmonError {}
/** As many messages wait to be sent as may wait. */
export class QueueFull extends RtmonError {}
/** A message waited longer than it may, and is not sent any more. */
export class MessageExpired extends RtmonError {}
/** No answer in time. */
export class RequestTimeout extends RtmonError {}

type Handler<T> = (value: T) => void;
/** Ends what was begun. */
type Off = () => void;

/**
 * What is published to a channel, or to a pattern such as `news.*`, over all connections, each
 * message once and in order. Give a handler to `subscribe`, or iterate with `for await`.
 */
export interface Subscription extends AsyncIterable<Message> {
  readonly channel: string;
  /** Of the last message taken in; null before the first one, and of a pattern. */
  readonly position: Position | null;
  /** Resolved when the server has let the client in; rejected if it refuses. */
  entered(): Promise<void>;
  publish(data: unknown): Promise<void>;
  close(): void;
}

export interface FileOptions {
  /** What it is called; by default a File's own name. */
  name?: string;
  /** The client that it is for. */
  to?: string;
  /** The room that it is for; without both it is for the server. */
  room?: string;
  mime?: string;
  /** Called with the bytes that have arrived, and all. */
  progress?: (done: number, size: number) => void;
  /** Ends the transfer at once, with the signal's reason. */
  signal?: AbortSignal;
}

/** A connection to a hub, made anew whenever it is lost. `connect` makes one. */
export class Client implements AsyncIterable<Message> {
  private constructor();
  readonly state: State;
  /** Whether messages go out now. */
  readonly isOpen: boolean;
  /** What the server calls this client, for as long as one connection lives. */
  readonly clientId: string | null;
  /** Round-trip time of the last heartbeat; null before the first. */
  readonly rtt: number | null;
  /** `websocket`, or `sse` where it fell back. */
  readonly transport: string;
  readonly stats: Stats;

  /** Resolved when it is connected. Rejects with ClientClosed, or RequestTimeout. */
  waitOpen(options?: { timeout?: number }): Promise<void>;
  /** Do not wait for the next attempt, make it now; while connected, nothing happens. */
  reconnect(): void;
  /**
   * End it for good. While connected, what is still to be sent goes first, for up to
   * `closeTimeout`; offline it is dropped. `onError` and `stats.dropped` say what may not have
   * arrived. Idempotent.
   */
  close(): Promise<void>;

  /**
   * Send a message, or queue it until there is a connection; resolved when there is room for it.
   * `publish`, `chat_message` and `room_message` arrive once and in order, also if the connection
   * is lost meanwhile. What the server refuses goes to `onError`.
   */
  send(type: string, payload?: object): Promise<void>;
  /** Send a whole message as it is, or queue it; for `protocol: "plain"`. */
  sendRaw(data: string | ArrayBuffer | ArrayBufferView): Promise<void>;
  /** Send a message and wait for its answer; `timeout` may be Infinity. */
  request(type: string, payload?: object, options?: { timeout?: number }): Promise<Message>;
  /** `data` may be an ArrayBuffer or a view of one. With `ack`, resolved with its position. */
  publish(
    channel: string,
    data: unknown,
    options?: { ack?: boolean; timeout?: number },
  ): Promise<Position | null>;
  /** Resolved when the server has all that was sent. */
  flush(): Promise<void>;

  /** Call a handler with each message of a type; `*` stands for all. */
  on<T extends keyof Messages>(type: T, handler: Handler<Message<Messages[T]>>): Off;
  on(type: string, handler: Handler<Message>): Off;
  /** When the first connection is open. */
  onOpen(handler: Handler<Change>): Off;
  /** When a connection that the server welcomed has ended; `delay` says when the next is tried: null,
   * with the state `closed`, for never. */
  onClose(handler: Handler<Change>): Off;
  /** For attempts that failed, and for what went wrong and nobody else is told. A connection that ends
   * before the server's welcome is a failed attempt, with its `code`. */
  onError(handler: Handler<Change>): Off;
  /** When it is connected again; `downtime` says after how long. */
  onReconnect(handler: Handler<Change>): Off;
  /** When it will not try again, without having been closed here. */
  onGaveUp(handler: Handler<Change>): Off;
  /** All changes: those above, and each attempt (`connecting`) and the wish to close (`closing`). */
  onChange(handler: Handler<Change>): Off;
  /** Each time a heartbeat was answered: milliseconds there and back. */
  onRtt(handler: Handler<number>): Off;

  subscribe(channel: string, options?: { since?: Position }): Subscription;
  subscribe(
    channel: string,
    handler: Handler<Message>,
    options?: { since?: Position },
  ): Subscription;
  /** Be in a room from now on, over all connections; rejects if the server refuses, or if the client
   * leaves before it answers. */
  join(room: string, options?: { since?: Position }): Promise<void>;
  leave(room: string): void;

  /** Send a file; it goes on where it was when the connection is lost meanwhile. */
  sendFile(source: Blob | ArrayBuffer | ArrayBufferView, options?: FileOptions): Promise<Message>;
  /**
   * Take a file that was offered, checked against its size and SHA-256. The Blob's type is always
   * `application/octet-stream`: what an offer says of name and type is a stranger's word.
   */
  receiveFile(
    offer: Message,
    options?: Pick<FileOptions, "progress" | "signal">,
  ): Promise<Blob>;

  [Symbol.asyncIterator](): AsyncIterator<Message>;
}

/**
 * Connect to a hub, from now on until `close()`.
 *
 * @param url `ws://`, `wss://`, `http://`, `https://`, or a path of the page's own server.
 */
export function connect(url: string | URL, options?: ClientOptions): Client;
