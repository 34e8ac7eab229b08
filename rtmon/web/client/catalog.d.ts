/**
 * The payloads of messages from the server. Written by `make docs` from rtmon/protocol/catalog; do
 * not edit.
 */

/** Limits that the server sets for the client's messages. */
export interface Limits {
  /** Maximum size of a message in bytes. */
  message_size: number;
  /** Maximum bytes of data in one file chunk. */
  file_chunk: number;
  /** Sustained rate limit in messages a second. */
  rate: number;
  /** Number of messages that may be sent at once before the rate limit applies. */
  burst: number;
}

/** The first message on every connection, and the answer to `connect`. */
export interface Welcome {
  /** Id of the client, valid as long as this connection. */
  client_id: string;
  name: string;
  /**
   * A secret. The client sends it in the next connection's `connect`, to count as the same sender.
   */
  session: string;
  /** Number of connections now, including this one. */
  user_count: number;
  protocol: string;
  server: string;
  /** The current position of the public chat. */
  epoch: string;
  /** The current position of the public chat. */
  offset: number;
  limits: Limits;
  user?: string;
  /** After a reconnect with a position, true if no publication was lost. */
  recovered?: boolean;
  /** Seconds until the client's token expires; omitted if it does not expire. */
  ttl?: number;
}

/** The client's token expires soon. The client should send a fresh token in `refresh`. */
export interface Expiring {
  /** Seconds until the token expires. Then the server closes the connection with 4001. */
  ttl: number;
}

/** The server is closing the connection. Sent over transports that have no close codes. */
export interface Goodbye {
  /** The close code that a WebSocket would get. */
  code: number;
  /** The close reason, for people. */
  reason: string;
  /** True if the client should reconnect. */
  retry: boolean;
  /** Seconds to wait before reconnecting; omitted if there is no minimum. */
  retry_after?: number;
}

/** One client as other clients see it: ids, name and info. */
export interface Member {
  client_id: string;
  name: string;
  user?: string;
  info?: any;
}

/** Clients have joined or left, or users have come online or gone offline. */
export interface People {
  /** Of the first entry of `users`, for clients that read only one. */
  client_id: string;
  /** Of the first entry of `users`, for clients that read only one. */
  name: string;
  /**
   * Number of connected clients now, or of members of `room`. In `user_online` and `user_offline`,
   * the number of users that are online.
   */
  user_count: number;
  /** Number of clients or users that joined or left. `users` lists them up to a limit. */
  count: number;
  users: Member[];
  /** Of the first entry of `users`, for clients that read only one. */
  user?: string;
  room?: string;
}

/** A client has sent a chat message to all clients. */
export interface ChatMessage {
  client_id: string;
  name: string;
  text: string;
  timestamp: number;
  epoch: string;
  offset: number;
}

/** A client has sent a private message to the receiving client. */
export interface PrivateMessage {
  /** A JSON-like value, or bytes. */
  data?: any;
  /** `base64` if `data` is bytes and the codec cannot carry bytes. */
  encoding?: string;
  /** Client id of the sender. */
  from: string;
  name: string;
  /** User id of the sender. */
  user?: string;
  /** Client id of the receiver. */
  to: string;
  timestamp: number;
  text?: string;
}

/** A client's user began or stopped typing. */
export interface TypingNote {
  /** The client whose user is typing. */
  client_id: string;
  /** Display name of that client. */
  name: string;
  /** The room in which the user is typing; omitted in the chat and in a private chat. */
  room?: string;
  /** Id of the only receiver; omitted if the message is for all clients or for a room. */
  to?: string;
}

/** A notification from the server for one user, sent to all connections of that user. */
export interface Notification {
  /** A JSON-like value, or bytes. */
  data?: any;
  /** `base64` if `data` is bytes and the codec cannot carry bytes. */
  encoding?: string;
  title: string;
  text?: string;
  level?: string;
}

/** A member of a room has sent a message to the room. */
export interface RoomMessage {
  /** A JSON-like value, or bytes. */
  data?: any;
  /** `base64` if `data` is bytes and the codec cannot carry bytes. */
  encoding?: string;
  room: string;
  client_id: string;
  name: string;
  timestamp: number;
  epoch: string;
  offset: number;
  text?: string;
}

/** A client or the server has published to a channel. */
export interface Publication {
  /** A JSON-like value, or bytes. */
  data: any;
  /** `base64` if `data` is bytes and the codec cannot carry bytes. */
  encoding?: string;
  channel: string;
  epoch: string;
  offset: number;
  /** Id and name of the publishing client; omitted if the server published. */
  client_id?: string;
  /** Id and name of the publishing client; omitted if the server published. */
  name?: string;
}

/** The client missed publications that can no longer be sent to it. */
export interface Gap {
  /** Always false. */
  recovered: boolean;
  /**
   * The channel or the room; both omitted for the public chat. For a pattern, the loss is not
   * certain.
   */
  channel?: string;
  /**
   * The channel or the room; both omitted for the public chat. For a pattern, the loss is not
   * certain.
   */
  room?: string;
  /** The current position; omitted for a pattern. */
  epoch?: string;
  /** The current position; omitted for a pattern. */
  offset?: number;
}

/** Offers a file to the client. The client accepts it with `ack {file, offset}`. */
export interface FileOffered {
  file: string;
  name: string;
  size: number;
  sha256: string;
  /** Client id of the sender. */
  from?: string;
  mime?: string;
  room?: string;
}

/** The server has the whole file (`file_done`), or aborts its transfer (`file_abort`). */
export interface FileNote {
  file: string;
  name?: string;
  size?: number;
  sha256?: string;
  reason?: string;
}

/** Message types that come by themselves, with their payloads. */
export interface Messages {
  welcome: Welcome;
  token_expiring: Expiring;
  disconnect: Goodbye;
  user_joined: People;
  user_left: People;
  user_online: People;
  user_offline: People;
  chat_message: ChatMessage;
  private_message: PrivateMessage;
  typing_start: TypingNote;
  typing_end: TypingNote;
  notification: Notification;
  room_message: RoomMessage;
  publication: Publication;
  gap: Gap;
  file_offer: FileOffered;
  file_abort: FileNote;
}

/** The message types as constants. */
export declare const MESSAGE_TYPES: {
  readonly WELCOME: "welcome";
  readonly CONNECT: "connect";
  readonly TOKEN_EXPIRING: "token_expiring";
  readonly REFRESH: "refresh";
  readonly RATE_LIMIT: "rate_limit";
  readonly DISCONNECT: "disconnect";
  readonly PING: "ping";
  readonly PONG: "pong";
  readonly BATCH: "batch";
  readonly ACK: "ack";
  readonly ERROR: "error";
  readonly USER_JOINED: "user_joined";
  readonly USER_LEFT: "user_left";
  readonly USER_ONLINE: "user_online";
  readonly USER_OFFLINE: "user_offline";
  readonly PRESENCE: "presence";
  readonly HISTORY: "history";
  readonly CHAT_MESSAGE: "chat_message";
  readonly PRIVATE_MESSAGE: "private_message";
  readonly TYPING_START: "typing_start";
  readonly TYPING_END: "typing_end";
  readonly NOTIFICATION: "notification";
  readonly JOIN_ROOM: "join_room";
  readonly LEAVE_ROOM: "leave_room";
  readonly ROOM_MESSAGE: "room_message";
  readonly SUBSCRIBE: "subscribe";
  readonly UNSUBSCRIBE: "unsubscribe";
  readonly PUBLISH: "publish";
  readonly PUBLICATION: "publication";
  readonly GAP: "gap";
  readonly FILE_OFFER: "file_offer";
  readonly FILE_CHUNK: "file_chunk";
  readonly FILE_DONE: "file_done";
  readonly FILE_ABORT: "file_abort";
};
