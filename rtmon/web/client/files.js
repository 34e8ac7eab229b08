/** Send and receive files in chunks, resuming after each reconnect. */

import { Download } from "./download.js";
import { encodeChunk } from "./encoding.js";
import { ConnectionLost, MessageExpired, OptionError, ProtocolError } from "./errors.js";
import { FILE_CHUNK, FILE_CHUNK_MAX, FILE_PROGRESS, FILE_WINDOW } from "./limits.js";
import { SHA256 } from "./sha256.js";
import { bytesOf } from "./values.js";

/** Milliseconds after which a client sends a chunk again that the server has refused. */
const PAUSE = 100;

/** Number of refusals in a row after which an upload fails. */
const REFUSALS = 10;

/** Number of bytes that are read from a local file at once. */
const READ = 1 << 20;

/** Thrown when the server refuses a chunk, so that the file must be offered again. */
class Stopped extends Error {}

/** Manages the file uploads and downloads of a client. */
export class Files {
  #engine;
  #sleep;
  #received = new Map();
  #refused = 0;
  #downloads = new Map();

  constructor(engine, clock) {
    this.#engine = engine;
    this.#sleep = (delay) => new Promise((resolve) => clock.setTimeout(resolve, delay));
    engine.listeners.push((event) => this.#listen(event));
  }

  // Uploads

  /** Upload a file. `Client.sendFile` in rtmon.d.ts describes the options. */
  async send(source, { name, to, room, mime, progress = () => {}, signal } = {}) {
    const blob = source instanceof Blob ? source : new Blob([bytesOf(source) ?? refuse(source)]);
    name ??= source.name;
    if (typeof name !== "string") {
      throw new OptionError("This file has no name: give one, as { name }.");
    }
    mime ??= blob.type || undefined;
    const sha256 = await digest(blob, signal);
    const offer = { name, size: blob.size, sha256, mime, to, room };
    const sending = this.#send(blob, offer, progress, signal).catch((error) => {
      // The server limits concurrent transfers, and counts a failed one until it is aborted.
      this.#abort(offer.file);
      throw error;
    });
    return this.#unless(signal, sending);
  }

  async #send(blob, offer, progress, signal) {
    const engine = this.#engine;
    let [asked, best, refusals] = [false, 0, 0];
    for (;;) {
      await engine.waitOpen(signal);
      signal?.throwIfAborted();
      const { generation } = engine;
      try {
        // No timeout is needed: heartbeats detect a dead connection, which ends the request.
        const accepted = (await engine.request("file_offer", offer, Infinity)).payload;
        offer.file = accepted.file;
        signal?.throwIfAborted();
        await this.#pieces(blob, accepted, generation, progress, signal);
        asked = true;
        return await engine.request("file_done", { file: offer.file }, Infinity);
      } catch (error) {
        if (error instanceof ConnectionLost || error instanceof MessageExpired) {
          await this.#untilLost(generation);
          continue;
        }
        const unknown = error.code === "unknown_file" && offer.file !== undefined;
        if (!(error instanceof Stopped) && !unknown) throw error;
        if (unknown && asked) {
          throw new ConnectionLost(
            `The connection was lost while the server checked '${offer.name}': whether it kept ` +
              "it is not known. Ask the receiver, or send it again.",
          );
        }
        const received = this.#received.get(offer.file) ?? 0;
        refusals = received > best ? 0 : refusals + 1;
        best = Math.max(best, received);
        if (refusals > REFUSALS) {
          const problem = `The server takes no more of '${offer.name}'.`;
          throw new ProtocolError("files_refused", problem);
        }
        // The server was restarted and no longer knows the transfer: start it again.
        if (unknown) delete offer.file;
        await this.#sleep(PAUSE);
      } finally {
        this.#received.delete(offer.file);
      }
    }
  }

  /**
   * Send the chunks that the server has not received yet. At most FILE_WINDOW bytes are sent ahead of
   * the server's acknowledgements.
   */
  async #pieces(blob, { file, chunk, received }, generation, progress, signal) {
    const engine = this.#engine;
    const { size } = blob;
    const piece = Math.min(chunk ?? FILE_CHUNK, FILE_CHUNK_MAX);
    const refused = this.#refused;
    let at = received;
    let told = received;
    let [block, begin] = [new Uint8Array(), at];
    this.#received.set(file, received);
    while (this.#received.get(file) < size) {
      signal?.throwIfAborted();
      if (engine.generation !== generation || engine.connection === null) {
        throw new ConnectionLost("The connection was lost.");
      }
      if (this.#refused !== refused) throw new Stopped();
      if (at < size && at - this.#received.get(file) <= FILE_WINDOW - piece) {
        if (at >= begin + block.length) {
          begin = at;
          block = new Uint8Array(await blob.slice(at, at + READ).arrayBuffer());
          continue; // The connection may have been lost during the await.
        }
        const data = block.subarray(at - begin, at - begin + piece);
        engine.connection.send(encodeChunk(file, at, data));
        at += data.length;
      } else {
        await engine.change();
      }
      if (this.#received.get(file) > told) {
        told = this.#received.get(file);
        progress(told, size);
      }
    }
    if (told < size || size === 0) progress(size, size);
  }

  /** Wait until the session has left the state "connected" after a lost connection. */
  async #untilLost(generation) {
    const engine = this.#engine;
    while (engine.session.connected && engine.generation === generation) await engine.change();
  }

  // Downloads

  /** Download an offered file. `Client.receiveFile` in rtmon.d.ts describes the options. */
  async receive(offer, { progress = () => {}, signal } = {}) {
    const download = new Download(offer.payload, progress);
    if (this.#downloads.has(download.file)) {
      throw new OptionError(`The file '${download.name}' is being received already.`);
    }
    return this.#unless(signal, this.#receive(download, signal));
  }

  async #receive(download, signal) {
    const engine = this.#engine;
    const { file } = download;
    this.#downloads.set(file, download);
    try {
      while (!download.ended) {
        await engine.waitOpen(signal);
        signal?.throwIfAborted();
        const { generation } = engine;
        await this.#take(download);
        while (engine.connection !== null && engine.generation === generation && !download.ended) {
          signal?.throwIfAborted();
          if (download.untold >= FILE_PROGRESS) await this.#take(download);
          await engine.change();
        }
      }
      return download.finish();
    } finally {
      this.#downloads.delete(file);
      if (!download.complete) this.#abort(file);
    }
  }

  /**
   * Acknowledge the bytes received so far, so that the server sends the next chunks. If the server
   * responds with an error, the download fails.
   */
  async #take(download) {
    const settle = (result) => {
      if (result instanceof ProtocolError) download.fail(result);
    };
    const payload = { file: download.file, offset: download.tell() };
    const entry = await this.#engine.send("ack", payload, settle);
    // The server does not answer this message on success: chunks follow instead.
    entry.asks = false;
  }

  /** Ask the server to abort a transfer. */
  #abort(file) {
    if (file === undefined) return;
    this.#engine.session.takeBack("file_abort", { file }, this.#engine.now());
    this.#engine.step();
  }

  /**
   * Return the result of a transfer. If `signal` is aborted, reject at once with the signal's reason,
   * even if the transfer is waiting for the server.
   */
  async #unless(signal, transfer) {
    if (signal === undefined) return transfer;
    let stop;
    const stopped = new Promise((_, reject) => {
      stop = () => {
        reject(signal.reason);
        this.#engine.step();
      };
    });
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    try {
      return await Promise.race([transfer, stopped]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  // Received messages

  #listen({ what, error, chunk, message }) {
    if (chunk !== undefined) this.#downloads.get(chunk.file)?.write(chunk.offset, chunk.data);
    // An error without reply_to may be the server's refusal of a chunk.
    if (what === "error" && error instanceof ProtocolError) this.#refused += 1;
    const { file, received, offset, data, reason } = message?.payload ?? {};
    if (typeof file !== "string") return;
    if (message.type === "ack" && this.#received.has(file) && Number.isSafeInteger(received)) {
      this.#received.set(file, Math.max(this.#received.get(file), received));
    }
    const download = this.#downloads.get(file);
    if (message.type === "file_done") download?.done();
    else if (message.type === "file_chunk") download?.writeEncoded(offset, data);
    else if (message.type === "file_abort") {
      const problem = `'${download?.name}': ${reason ?? "the server ended the transfer"}.`;
      download?.fail(new ProtocolError("file_aborted", problem));
    }
  }
}

/** Return the SHA-256 hash of a Blob in hexadecimal. */
async function digest(blob, signal) {
  const sha256 = new SHA256();
  for (let at = 0; at < blob.size; at += READ) {
    signal?.throwIfAborted();
    sha256.update(new Uint8Array(await blob.slice(at, at + READ).arrayBuffer()));
  }
  return sha256.hex();
}

function refuse(source) {
  throw new OptionError(`${typeof source} is no file: give a Blob, an ArrayBuffer or a view of one.`);
}
