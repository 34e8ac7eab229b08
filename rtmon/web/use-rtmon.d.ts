import type { Change, Client, ClientOptions, Message, State } from "./rtmon.js";

export interface UseRtmonOptions extends ClientOptions {
  /** Called with every message: `lastMessage` may skip some, as React joins what comes together. */
  onMessage?: (message: Message) => void;
}

export interface Rtmon {
  readonly isConnected: boolean;
  readonly state: State;
  readonly lastMessage: Message | null;
  /** Of the last attempt or message that failed; null once connected again. */
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
 * A connection to a hub for as long as the component is mounted. Another `url`, `name` or `user`
 * makes another one; other options count when a connection is made.
 */
export function useRtmon(url: string | URL, options?: UseRtmonOptions): Rtmon;
export type { Change };
