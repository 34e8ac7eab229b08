/** Send and receive files in chunks, resuming after each reconnect. */

import { Download } from "./download.js";
import { encodeChunk } from "./encoding.js";
import { ConnectionLost, MessageExpired, OptionError, ProtocolError } from "./errors.js";
import { FILE_CHUNK, FILE_CHUNK_MAX, FILE_PROGRESS, FILE_WINDOW } from "./limits.js";
import { SHA256 } from "./sha256.js";
import { bytesOf } from "./values.js";

/** Milliseconds until a chunk that the server refused is sent again. */
const PAUSE = 100;

/** Refused chunks in a row after which a transfer fails. */
const REFUSALS = 10;

/** Bytes read from a file at once. */
const READ = 1 << 20;

/** The server no longer knows the transfer: it must be offered again. */
class Stopped extends Error {}

/** The uploads and downloads of a client. */
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

  // Up

  /** See `Client.sendFile`. */
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
      // Until it is aborted, it counts against the server's limit of transfers.
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
        // However long the server takes: a link that dies meanwhile is noticed.
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
        // The server was restarted: start the transfer again.
        if (unknown) delete offer.file;
        await this.#sleep(PAUSE);
      } finally {
        this.#received.delete(offer.file);
      }
    }
  }

  /** Send the chunks that the server is missing, within the window that it allows. */
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
          continue; // Much may have happened meanwhile.
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

  /** Wait until the session has noticed that the connection is lost. */
  async #untilLost(generation) {
    const engine = this.#engine;
    while (engine.session.connected && engine.generation === generation) await engine.change();
  }

  // Down

  /** See `Client.receiveFile`. */
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

  /** Acknowledge the bytes received so far; an error from the server ends the download. */
  async #take(download) {
    const settle = (result) => {
      if (result instanceof ProtocolError) download.fail(result);
    };
    const payload = { file: download.file, offset: download.tell() };
    const entry = await this.#engine.send("ack", payload, settle);
    // The answer is a chunk or an error.
    entry.asks = false;
  }

  /** Abort a transfer at the server. */
  #abort(file) {
    if (file === undefined) return;
    this.#engine.session.takeBack("file_abort", { file }, this.#engine.now());
    this.#engine.step();
  }

  /** What a transfer gives, unless a signal ends it: then at once, whatever it waits for. */
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
    // An error without a reply_to may concern a chunk.
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
