/** The client with a real hub in another process, through a fault proxy. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { ProtocolError } from "../../rtmon/web/rtmon.js";
import { startPlace, until } from "./place.mjs";
import { complete, soak } from "./soak.mjs";

const timeout = 120_000;

let place;

before(async () => {
  place = await startPlace({ history: 10_000 });
});

after(() => place?.end());

test("subscriber gets 1 to N once and in order when its link is cut at random", { timeout }, async (t) => {
  const report = await soak(t, place, { cuts: 15, apart: 100 });
  assert.ok(complete(report), JSON.stringify(report));
  assert.ok(report.stats.reconnects >= 15 && report.published > 0);
});

test("publications arrive once and in order when the link is cut", { timeout }, async (t) => {
  const [sender, reader] = [place.connect(t), place.connect(t, { serverBatch: {} })];
  const got = [];
  await reader.subscribe("sent", ({ payload }) => got.push(payload)).entered();
  for (let number = 0; number < 120; number += 1) {
    await sender.publish("sent", number % 10 === 0 ? new Uint8Array([number]) : number);
    if (number % 20 === 15) await place.cut();
  }
  await sender.flush();
  await until(() => got.length >= 120);
  const numbers = got.map((data) => (data instanceof Uint8Array ? data[0] : data));
  assert.deepEqual(numbers, Array.from({ length: 120 }, (_, i) => i));
  assert.ok(sender.stats.reconnects > 0);
});

test("client can request the rest of its rate limit", { timeout }, async (t) => {
  const client = place.connect(t);
  const { payload } = await client.request("rate_limit");
  assert.deepEqual(Object.keys(payload).sort(), ["limit", "remaining", "reset"]);
  assert.ok(payload.remaining > 0 && payload.remaining < payload.limit);
});

test("last call decides whether a client that leaves and joins a room at once is a member", { timeout }, async (t) => {
  // With batches a leave_room is delayed, and a join_room is not.
  const client = place.connect(t, { batch: { delay: 20 } });
  const got = [];
  await client.join("tea");
  for (let number = 0; number < 3; number += 1) {
    client.leave("tea");
    await client.join("tea");
    await client.request("room_message", { room: "tea", text: "hi" });
    const news = client.subscribe("reopened", ({ payload }) => got.push(payload));
    await news.entered();
    await place.publish("reopened", number);
    await until(() => got.length > number);
    news.close();
  }
  assert.deepEqual(got, [0, 1, 2]);
  const joining = client.join("left");
  client.leave("left");
  await assert.rejects(joining, /left the room 'left'/);
  await client.request("room_message", { room: "tea", text: "both requests are answered" });
  const message = { room: "left", text: "hi" };
  await assert.rejects(client.request("room_message", message), ProtocolError);
});

test("message with a lone surrogate is refused at once, and the messages around it arrive", { timeout }, async (t) => {
  for (const batch of [null, { size: 10, delay: 50 }]) {
    const [sender, reader] = [place.connect(t, { batch }), place.connect(t)];
    const got = [];
    await reader.subscribe("halves", ({ payload }) => got.push(payload)).entered();
    const problems = [];
    sender.onError(({ reason }) => problems.push(reason));
    const texts = ["one", "two", "ab😀".slice(0, 3), "ab😀"];
    const asked = texts.map((text) => sender.publish("halves", text, { ack: true }));
    const ends = await Promise.allSettled(asked);
    assert.deepEqual(ends.map(({ reason }) => reason?.name), [undefined, undefined, "OptionError", undefined]);
    await sender.flush();
    await until(() => got.length >= 3);
    assert.deepEqual([got, problems], [["one", "two", "ab😀"], []]);
  }
});

test("largest publication arrives live and after a cut", { timeout }, async (t) => {
  const client = place.connect(t);
  const got = [];
  await client.subscribe("large", ({ payload, gap }) => got.push([payload.length, gap])).entered();
  const size = await place.publish_largest("large");
  await until(() => got.length === 1);
  await place.refuse();
  await until(() => client.state === "reconnecting");
  await place.publish_largest("large");
  await place.calm();
  await until(() => got.length === 2);
  assert.deepEqual(got, [[size, false], [size, false]]);
});

test("client notices a frozen link, and recovers missed messages", { timeout }, async (t) => {
  const client = place.connect(t, { heartbeatInterval: 200, heartbeatTimeout: 400 });
  const got = [];
  await client.subscribe("frozen", ({ payload, gap }) => got.push([payload, gap])).entered();
  const closes = [];
  client.onClose(({ reason }) => closes.push(reason));
  await place.freeze();
  await place.publish("frozen", "while frozen");
  await until(() => closes.length > 0);
  assert.deepEqual([closes[0], got], ["no sign of life for 0.4 s", []]);
  await place.calm();
  await until(() => got.length > 0);
  assert.deepEqual(got, [["while frozen", false]]);
});

test("client sends queued messages and reports lost history when its server was killed and restarted", { timeout }, async (t) => {
  const [ada, bob] = [place.connect(t, { name: "ada" }), place.connect(t, { name: "bob" })];
  const [got, heard] = [[], new Set()];
  await bob.subscribe("news", ({ payload, gap }) => got.push([payload, gap])).entered();
  await bob.join("work");
  bob.on("room_message", ({ payload }) => heard.add(payload.text));
  ada.on("chat_message", ({ payload }) => heard.add(payload.text));
  await ada.join("work");
  await place.publish("news", 1);
  await until(() => got.length === 1);
  const away = new Promise((resolve) => ada.onClose(resolve));
  const restarting = place.restart();
  await away;
  await ada.send("chat_message", { text: "while it was away" });
  await restarting;
  await until(() => bob.stats.reconnects > 0);
  // This request follows those that join all rooms and channels again, and is answered after them.
  await bob.request("presence");
  await ada.send("room_message", { room: "work", text: "are you there?" });
  await until(() => heard.size === 2);
  assert.deepEqual(heard, new Set(["while it was away", "are you there?"]));
  await place.publish("news", 2);
  await until(() => got.length === 2);
  assert.deepEqual(got, [[1, false], [2, true]]);
});

test("file of ten megabytes arrives byte for byte, with progress, when the link is cut", { timeout }, async (t) => {
  const ada = place.connect(t, { name: "ada" });
  await ada.join("work");
  const bob = place.connect(t, { name: "bob" });
  await bob.join("work");
  const data = new Uint8Array(randomBytes(10 << 20));
  const offered = new Promise((resolve) => bob.on("file_offer", resolve));
  const progress = { up: [], down: [] };
  let cuts = 0;
  const watch = (way) => (done, size) => {
    assert.equal(size, data.length);
    progress[way].push(done);
    if (done < size && done > (way === "up" ? 3 : 6) << 20 && cuts < (way === "up" ? 1 : 2)) {
      cuts += 1;
      // A file is offered to present clients only. So cut only the sender's connection, the oldest.
      if (way === "up") place.cut_oldest();
      else place.cut();
    }
  };
  const name = "<img src=x onerror=alert(1)>.bin";
  const done = await ada.sendFile(data, { name, room: "work", progress: watch("up") });
  assert.equal(done.payload.size, data.length);
  const offer = await offered;
  const blob = await bob.receiveFile(offer, { progress: watch("down") });
  assert.equal(Buffer.compare(new Uint8Array(await blob.arrayBuffer()), data), 0);
  assert.equal(blob.type, "application/octet-stream");
  assert.equal(cuts, 2);
  for (const steps of Object.values(progress)) {
    assert.ok(steps.every((step, i) => i === 0 || step > steps[i - 1]));
    assert.equal(steps.at(-1), data.length);
  }
});

test("failed file transfers do not prevent further transfers", { timeout }, async (t) => {
  const client = place.connect(t);
  await client.join("work");
  const file = new Blob([randomBytes(100_000)]);
  const progress = () => {
    throw new RangeError("of the page's own");
  };
  // More transfers than the server accepts from one client at once.
  for (let number = 0; number < 12; number += 1) {
    await assert.rejects(client.sendFile(file, { name: "a", room: "work", progress }), RangeError);
  }
  await client.sendFile(file, { name: "b", room: "work" });
});

test("file transfer can be cancelled half-way by sender or receiver", { timeout }, async (t) => {
  const [ada, bob] = [place.connect(t), place.connect(t)];
  await Promise.all([ada.join("work"), bob.join("work")]);
  const blob = new Blob([randomBytes(4 << 20)]);
  const up = new AbortController();
  const options = { name: "a", room: "work", signal: up.signal, progress: () => up.abort() };
  await assert.rejects(ada.sendFile(blob, options), { name: "AbortError" });
  const offered = new Promise((resolve) => bob.on("file_offer", resolve));
  await ada.sendFile(blob, { name: "b", room: "work" });
  const down = new AbortController();
  const receiving = bob.receiveFile(await offered, { signal: down.signal, progress: () => down.abort() });
  await assert.rejects(receiving, { name: "AbortError" });
  assert.equal((await bob.publish("after", 1, { ack: true })).offset, 1);
});
