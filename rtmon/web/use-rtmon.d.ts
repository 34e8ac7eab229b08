import type { Change, Client, ClientOptions, Message, State } from "./rtmon.js";

export interface UseRtmonOptions extends ClientOptions {
  /** Called when the first connection is open, and after each reconnect. */
  onOpen?: (change: Change) => void;
  /**
   * Called with every message. `lastMessage` may skip messages, because React combines updates that
   * happen at the same time.
   */
  onMessage?: (message: Message) => void;
  /** Called when a connection has ended. */
  onClose?: (change: Change) => void;
  /** Called for each failed attempt to connect, each message that the server refuses, and each invalid
   * option. */
  onError?: (change: Change) => void;
  /** Same as `backoff.base`: upper bound of the first wait before a reconnect, in milliseconds. */
  reconnectInterval?: number;
  /** Same as `backoff.attempts`: failures in a row after which the client stops reconnecting. */
  maxReconnectAttempts?: number;
}

export interface Rtmon {
  readonly isConnected: boolean;
  readonly state: State;
  readonly lastMessage: Message | null;
  /**
   * Error of the last attempt or message that failed; null once the client is connected again. If an
   * option is invalid, it is an OptionError and `state` is `closed`: correct the option, then call
   * `reconnect`.
   */
  readonly error: Error | null;
  /** Round-trip time of the last heartbeat in milliseconds; null if unknown. */
  readonly rtt: number | null;
  /** The client, for subscriptions, rooms and files; null until React has run the first effect. */
  readonly client: Client | null;
  sendMessage(type: string, payload?: object): Promise<void>;
  /** Close the connection until `reconnect` is called. */
  disconnect(): void;
  /** Connect now instead of waiting for the next attempt. After `disconnect`, create a new client. */
  reconnect(): void;
}

/**
 * Connect to a hub while a React component is mounted; with `protocol: "plain"`, to any server. If `url`,
 * `name` or `user` changes, the hook creates a new client. Changes of other options take effect when the
 * next client is created.
 */
export function useRtmon(url: string | URL, options?: UseRtmonOptions): Rtmon;
export type { Change };
