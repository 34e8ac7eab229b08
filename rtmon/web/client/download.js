/** The state of one file download: collects the chunks, then checks the size and the SHA-256 hash. */

import { fromBase64 } from "./encoding.js";
import { OptionError, ProtocolError } from "./errors.js";
import { SHA256 } from "./sha256.js";

/**
 * Bytes of received chunks that are joined into one Blob. The browser can store a Blob on disk, so a
 * large file needs little memory.
 */
const JOINED = 4 << 20;

/** One file download, from the sender's offer to the complete file. */
export class Download {
  #size;
  #sha256;
  #progress;
  #pieces = [];
  #loose = 0;
  #digest = new SHA256();
  #received = 0;
  #told = 0;
  #complete = false;
  #error = null;

  constructor({ file, name, size, sha256 } = {}, progress) {
    if (typeof file !== "string" || typeof sha256 !== "string" || !Number.isSafeInteger(size)) {
      throw new OptionError("This is no file_offer: give the message as it came.");
    }
    this.file = file;
    this.name = name;
    this.#size = size;
    this.#sha256 = sha256;
    this.#progress = progress;
  }

  /** True if the download is complete or has failed, so that further chunks are ignored. */
  get ended() {
    return this.#complete || this.#error !== null;
  }

  /** True if the server has reported that it has sent all chunks. */
  get complete() {
    return this.#complete;
  }

  /** Bytes received that have not been acknowledged to the server. */
  get untold() {
    return this.#received - this.#told;
  }

  /** Return the number of bytes received, and regard them as acknowledged to the server. */
  tell() {
    this.#told = this.#received;
    return this.#told;
  }

  /** Add a chunk of the file. A chunk that does not start where the last one ended is ignored. */
  write(offset, data) {
    if (offset !== this.#received || this.ended) return;
    if (this.#received + data.length > this.#size) {
      this.fail(new ProtocolError("file_mismatch", `'${this.name}' is larger than offered.`));
      return;
    }
    this.#pieces.push(data);
    this.#loose += data.length;
    if (this.#loose >= JOINED) this.#join();
    this.#digest.update(data);
    this.#received += data.length;
    try {
      this.#progress(this.#received, this.#size);
    } catch (error) {
      // An exception of the application's progress callback ends this transfer, not the client.
      this.fail(error);
    }
  }

  /** Add a chunk that is encoded as base64. */
  writeEncoded(offset, data) {
    try {
      this.write(offset, fromBase64(data));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Handle the server's message that all chunks have been sent. */
  done() {
    this.#complete = true;
  }

  /** End the download with an error. Later errors are ignored. */
  fail(error) {
    this.#error ??= error;
  }

  /** Return the file as a Blob. Throws if the transfer failed, or if size or hash differ. */
  finish() {
    if (this.#error !== null) throw this.#error;
    if (this.#received !== this.#size || this.#digest.hex() !== this.#sha256) {
      const problem = `'${this.name}' is not what was offered: receive it again.`;
      throw new ProtocolError("file_mismatch", problem);
    }
    return this.#join();
  }

  #join() {
    // The sender chose the file's media type, so it is not used: a browser could execute the file.
    const whole = new Blob(this.#pieces, { type: "application/octet-stream" });
    this.#pieces = [whole];
    this.#loose = 0;
    return whole;
  }
}
