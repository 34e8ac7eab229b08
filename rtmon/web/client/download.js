/** A download: collects the chunks of a file in order, then checks size and checksum. */

import { fromBase64 } from "./encoding.js";
import { OptionError, ProtocolError } from "./errors.js";
import { SHA256 } from "./sha256.js";

/** Bytes of a received file after which its pieces become one Blob, which may live on disk. */
const JOINED = 4 << 20;

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

  /** True if no more chunks will come. */
  get ended() {
    return this.#complete || this.#error !== null;
  }

  /** True if the server has sent every chunk, so that there is nothing to abort. */
  get complete() {
    return this.#complete;
  }

  /** Bytes received since `tell`. */
  get untold() {
    return this.#received - this.#told;
  }

  /** Return the bytes received, for the acknowledgement to the server. */
  tell() {
    this.#told = this.#received;
    return this.#told;
  }

  /** Add a chunk; ignore one that does not continue the file. */
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
      // It ends this transfer, not the client.
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

  done() {
    this.#complete = true;
  }

  fail(error) {
    this.#error ??= error;
  }

  /** Return the file; throws if it differs from the offer, or the transfer ended early. */
  finish() {
    if (this.#error !== null) throw this.#error;
    if (this.#received !== this.#size || this.#digest.hex() !== this.#sha256) {
      const problem = `'${this.name}' is not what was offered: receive it again.`;
      throw new ProtocolError("file_mismatch", problem);
    }
    return this.#join();
  }

  #join() {
    // The media type of an offer is untrusted: a page must not open the file.
    const whole = new Blob(this.#pieces, { type: "application/octet-stream" });
    this.#pieces = [whole];
    this.#loose = 0;
    return whole;
  }
}
