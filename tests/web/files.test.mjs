/** File transfers: chunks, digest, and cancellation. */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { beforeEach, test } from "node:test";
import { decode, encodeChunk, fromBase64, toBase64 } from "../../rtmon/web/client/encoding.js";
import { SHA256 } from "../../rtmon/web/client/sha256.js";
import { FakeClock, FakeHub, settle } from "./fakes.mjs";

let clock;
let hub;

beforeEach(() => {
  clock = new FakeClock();
  hub = new FakeHub();
});

const open = (options) => hub.open(clock, options);

/** Start a transfer whose chunks the hub does not accept; `given` are options of sendFile. */
async function offered(client, given) {
  hub.instead.file_offer = (envelope, answer) => answer("ack", { file: "f", received: 0 });
  const file = new Blob([new Uint8Array(2 << 20)]);
  const sending = client.sendFile(file, { name: "a", ...given });
  sending.catch(() => {});
  while (hub.of("binary").length === 0) await settle();
  return sending;
}

const aborts = () => hub.of("file_abort").map(({ payload }) => payload);

test("transfer ends at once when it is cancelled in any state, and the server is informed", async () => {
  const client = await open();
  const signals = [new AbortController(), new AbortController(), new AbortController()];
  const [stalled, offline, arriving] = signals.map(({ signal }) => signal);
  const abort = (number) => signals[number].abort(new RangeError("enough"));
  const first = offered(client, { signal: stalled });
  await settle();
  const offer = { payload: { file: "g", name: "b", size: 3, sha256: "" } };
  const receiving = client.receiveFile(offer, { signal: arriving });
  await settle();
  while (hub.of("binary").length === 0) await settle();
  abort(0);
  await assert.rejects(first, RangeError);
  assert.deepEqual(aborts(), [{ file: "f" }]);

  await hub.cut();
  const second = client.sendFile(new Blob(["x"]), { name: "c", signal: offline });
  second.catch(() => {});
  await settle();
  abort(1);
  await assert.rejects(second, RangeError);
  abort(2);
  await assert.rejects(receiving, RangeError);
  await hub.back(clock);
  assert.deepEqual(aborts(), [{ file: "f" }, { file: "g" }]);
  await client.close();
});

test("file offer that is cancelled before its answer is withdrawn after the answer", async () => {
  const client = await open();
  let late;
  hub.instead.file_offer = (envelope, answer) => {
    late = () => answer("ack", { file: "f", received: 0 });
  };
  const controller = new AbortController();
  const sending = client.sendFile(new Blob(["x"]), { name: "a", signal: controller.signal });
  sending.catch(() => {});
  while (late === undefined) await settle();
  await clock.advance(60_000);
  controller.abort();
  await assert.rejects(sending, { name: "AbortError" });
  assert.deepEqual(aborts(), []);
  late();
  await settle();
  assert.deepEqual(aborts(), [{ file: "f" }]);
  await client.close();
});

test("binary chunks and base64 chunks are decoded to the same bytes", () => {
  for (const size of [0, 1, 2, 3, 8_192, 8_193, 70_000]) {
    const data = new Uint8Array(randomBytes(size));
    const text = toBase64(data);
    assert.equal(text, Buffer.from(data).toString("base64"));
    assert.deepEqual(fromBase64(text), data);
    const chunk = decode(encodeChunk("f-1", 2 ** 40 + size, data)).chunk;
    assert.deepEqual({ ...chunk, data: chunk.data.slice() }, { file: "f-1", offset: 2 ** 40 + size, data });
  }
});

test("file digest is SHA-256, however the file is split", () => {
  for (let size = 0; size < 200; size += 1) {
    const data = new Uint8Array(randomBytes(size));
    const cut = Math.floor(size / 3);
    const digest = new SHA256().update(data.subarray(0, cut)).update(data.subarray(cut)).hex();
    assert.equal(digest, createHash("sha256").update(data).digest("hex"));
  }
});
