import type { Change, Client, ClientOptions, Message, State } from "./rtmon.js";

export interface UseRtmonOptions extends ClientOptions {
  /** Called when a connection is open, the first one and each later one. */
  onOpen?: (change: Change) => void;
  /** Called with every message: `lastMessage` may skip some, as React joins what comes together. */
  onMessage?: (message: Message) => void;
  /** Called when a connection has ended. */
  onClose?: (change: Change) => void;
  /** Called with each failed attempt, what the server refuses, and options that make no sense. */
  onError?: (change: Change) => void;
  /** Short for `backoff.base`: what the first wait is bounded by, in milliseconds. */
  reconnectInterval?: number;
  /** Short for `backoff.attempts`: failures in a row after which to give up. */
  maxReconnectAttempts?: number;
}

export interface Rtmon {
  readonly isConnected: boolean;
  readonly state: State;
  readonly lastMessage: Message | null;
  /**
   * Of the last attempt or message that failed; null once connected again. An OptionError, with the
   * state `closed`, if an option makes no sense: correct it, then `reconnect`.
   */
  readonly error: Error | null;
  readonly rtt: number | null;
  /** The client itself, for subscriptions, rooms and files; null before the first effect. */
  readonly client: Client | null;
  sendMessage(type: string, payload?: object): Promise<void>;
  /** Close for good, until `reconnect`. */
  disconnect(): void;
  /** Try now; after `disconnect`, connect anew. */
  reconnect(): void;
}

/**
 * A connection to a hub, or with `protocol: "plain"` to any server, for as long as the component is mounted. Another `url`, `name` or `user`
 * makes another one; other options count when a connection is made.
 */
export function useRtmon(url: string | URL, options?: UseRtmonOptions): Rtmon;
export type { Change };
