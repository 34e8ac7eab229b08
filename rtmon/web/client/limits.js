/** Limits of the protocol (docs/protocol.md) that a client needs. Sizes in bytes, times in ms. */

export const MESSAGE_SIZE = 131_072;
export const NAME_LENGTH = 128;
export const TOKEN_LENGTH = 7_168;
export const INFO_SIZE = 2_048;
export const DATA_DEPTH = 32;
export const BATCH_MESSAGES = 100;
export const BATCH_DELAY = 5_000;
export const HEARTBEAT_MIN = 1_000;
export const RATE = 200;
/**
 * Milliseconds for which a repeated message is recognized as a duplicate: the time for which the server
 * stores message ids, minus a margin for the transfer.
 */
export const REMEMBERED = 270_000;
export const FILE_CHUNK = 16_384;
export const FILE_CHUNK_MAX = 65_536;
export const FILE_PROGRESS = 262_144;
export const FILE_WINDOW = 1 << 20;
