/**
 * The payloads of messages from the server. Written by `make docs` from rtmon/protocol/catalog; do
 * not edit.
 */

/** Limits that a client has to keep. */
export interface Limits {
  /** Bytes of a message. */
  message_size: number;
  /** Bytes of data in one file chunk. */
  file_chunk: number;
  /** Messages a second, on average. */
  rate: number;
  /** Messages at once, before the rate counts. */
  burst: number;
}

/** The first message of every connection, and the answer to `connect`. */
export interface Welcome {
  /** Id of the client for as long as this connection lives. */
  client_id: string;
  name: string;
  /** A secret that makes the next connection the same sender (see `connect`). */
  session: string;
  /** Connections now, this one included. */
  user_count: number;
  protocol: string;
  server: string;
  /** The position of the chat with everybody. */
  epoch: string;
  /** The position of the chat with everybody. */
  offset: number;
  limits: Limits;
  user?: string;
  /** After a reconnect with a position: true if nothing was lost. */
  recovered?: boolean;
  /** Seconds until the client's token expires; left out if it does not. */
  ttl?: number;
}

/** The client's token expires soon; `refresh` sends another one. */
export interface Expiring {
  /** Seconds until then; after that the connection is closed with 4001. */
  ttl: number;
}

/** The server ends the connection; for transports without close codes. */
export interface Goodbye {
  /** Close code that a WebSocket would get. */
  code: number;
  reason: string;
  /** True if the client should reconnect. */
  retry: boolean;
  /** Seconds to wait at least before that; left out if it does not matter. */
  retry_after?: number;
}

/** One client, as other clients see it. */
export interface Member {
  client_id: string;
  name: string;
  user?: string;
  info?: any;
}

/** Clients have joined or left, or users have come online or gone offline. */
export interface People {
  /** Of the first of `users`, for clients that read no further. */
  client_id: string;
  /** Of the first of `users`, for clients that read no further. */
  name: string;
  /**
   * Clients that are connected now, or members of `room`; of `user_online` and `user_offline`,
   * users that are online now.
   */
  user_count: number;
  /** Clients or users that joined or left; `users` names them, up to a limit. */
  count: number;
  users: Member[];
  /** Of the first of `users`, for clients that read no further. */
  user?: string;
  room?: string;
}

/** A client has sent a chat message to everybody. */
export interface ChatMessage {
  client_id: string;
  name: string;
  text: string;
  timestamp: number;
  epoch: string;
  offset: number;
}

/** A client has sent a message to this client alone. */
export interface PrivateMessage {
  /** Like JSON, or bytes as a whole. */
  data?: any;
  /** `base64` where `data` is bytes and the codec has no binary. */
  encoding?: string;
  /** Client id of the sender. */
  from: string;
  name: string;
  /** User of the sender. */
  user?: string;
  /** Client id of the receiver. */
  to: string;
  timestamp: number;
  text?: string;
}

/** A client's user began or stopped typing: to everybody, to a room or to this client. */
export interface TypingNote {
  client_id: string;
  name: string;
  room?: string;
  to?: string;
}

/** The server notifies a user, on all connections of that user. */
export interface Notification {
  /** Like JSON, or bytes as a whole. */
  data?: any;
  /** `base64` where `data` is bytes and the codec has no binary. */
  encoding?: string;
  title: string;
  text?: string;
  level?: string;
}

/** A member has sent a message to a room. */
export interface RoomMessage {
  /** Like JSON, or bytes as a whole. */
  data?: any;
  /** `base64` where `data` is bytes and the codec has no binary. */
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
  /** Like JSON, or bytes as a whole. */
  data: any;
  /** `base64` where `data` is bytes and the codec has no binary. */
  encoding?: string;
  channel: string;
  epoch: string;
  offset: number;
  /** Of the publisher; left out if it is the server. */
  client_id?: string;
  /** Of the publisher; left out if it is the server. */
  name?: string;
}

/** Publications are lost for this client and others on its node. */
export interface Gap {
  /** False. */
  recovered: boolean;
  /** Where; neither for the chat. For a pattern it is not certain. */
  channel?: string;
  /** Where; neither for the chat. For a pattern it is not certain. */
  room?: string;
  /** The position now; left out for a pattern. */
  epoch?: string;
  /** The position now; left out for a pattern. */
  offset?: number;
}

/** Offers a file to the client, which takes it with `ack {file, offset}`. */
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

/** The server has all of a file (`file_done`), or ends its transfer (`file_abort`). */
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
