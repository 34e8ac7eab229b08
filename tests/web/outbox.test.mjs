/** The client's queue of outgoing messages: its limit, expiry, rate and batches. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { MessageExpired, QueueFull } from "../../rtmon/web/rtmon.js";
import { FakeClock, FakeHub, problems, settle } from "./fakes.mjs";

let clock;
let hub;

beforeEach(() => {
  clock = new FakeClock();
  hub = new FakeHub();
});

const open = (options) => hub.open(clock, options);

test("expired message in the send queue is dropped and reported", async () => {
  const client = await open({ queueAge: 60_000 });
  const reasons = problems(client);
  await hub.cut();
  await client.send("chat_message", { text: "old" });
  const asked = assert.rejects(client.publish("news", 1, { ack: true, timeout: 90_000 }), MessageExpired);
  await clock.advance(59_999);
  assert.equal(client.stats.queued, 2);
  await clock.advance(1);
  await asked;
  assert.deepEqual([client.stats.queued, client.stats.expired], [0, 2]);
  assert.ok(reasons.some((reason) => /'chat_message' waited too long/.test(reason)));
});

test("message is reported, not sent again, when the server may have forgotten its id", async () => {
  const client = await open({ queueAge: 3_600_000 });
  const reasons = problems(client);
  await client.send("chat_message", { text: "old" });
  await hub.cut();
  await clock.advance(270_000);
  await hub.back(clock);
  assert.deepEqual(hub.texts(), ["old"]);
  assert.ok(reasons.some((reason) => /waited too long/.test(reason)));
});

test("full send queue refuses a message", async () => {
  const client = await open({ queueSize: 2, queuePolicy: "refuse" });
  await hub.cut();
  await client.send("chat_message", { text: "one" });
  await client.send("chat_message", { text: "two" });
  await assert.rejects(client.send("chat_message", { text: "three" }), QueueFull);
  await hub.back(clock);
  assert.deepEqual(hub.texts(), ["one", "two"]);
});

test("full send queue drops the oldest message and reports it", async () => {
  const client = await open({ queueSize: 2, queuePolicy: "drop_oldest" });
  const reasons = problems(client);
  await hub.cut();
  for (const text of ["one", "two", "three"]) await client.send("chat_message", { text });
  assert.ok(reasons.some((reason) => /'chat_message' is dropped/.test(reason)));
  await hub.back(clock);
  assert.deepEqual([hub.texts(), client.stats.dropped], [["two", "three"], 1]);
});

test("full send queue makes senders wait in order", async () => {
  const client = await open({ queueSize: 2 });
  await hub.cut();
  const sent = [];
  const sending = ["1", "2", "3", "4", "5"].map(async (text) => {
    await client.send("chat_message", { text });
    sent.push(text);
  });
  await settle();
  assert.deepEqual(sent, ["1", "2"]);
  await hub.back(clock);
  await Promise.all(sending);
  assert.deepEqual([hub.texts(), sent], [[..."12345"], [..."12345"]]);
  const order = [];
  const say = async (text) => {
    await client.send("chat_message", { text });
    order.push(text);
  };
  const waiting = ["6", "7", "8"].map(say);
  // The queue has room again, and a new sender calls before the waiting senders have noticed.
  client.onRtt(() => waiting.push(say("9")));
  await clock.advance(1_000);
  await Promise.all(waiting);
  assert.deepEqual(order.slice(0, 4), [..."6789"]);
});

test("message is sent with the content that it had when send was called", async () => {
  const client = await open({ queueSize: 1 });
  await hub.cut();
  await client.send("chat_message", { text: "first" });
  const payload = { text: "second" };
  const sending = client.send("chat_message", payload);
  const bytes = new Uint8Array([1, 2, 3]);
  const publishing = client.publish("news", bytes);
  payload.text = "changed";
  bytes.fill(9);
  await hub.back(clock);
  await Promise.all([sending, publishing]);
  assert.deepEqual(hub.texts(), ["first", "second"]);
  assert.deepEqual([...hub.of("binary")[0].data.slice(-3)], [1, 2, 3]);
});

test("message refused by the rate limit is sent again", async () => {
  const client = await open();
  let refused = false;
  hub.instead.publish = (envelope, answer) => {
    if (refused) answer("ack", { epoch: "first", offset: 1 });
    else answer("error", { code: "rate_limited", message: "Slowly.", retry: true });
    refused = true;
  };
  const publishing = client.publish("news", 1, { ack: true });
  await clock.advance(1_000);
  assert.equal((await publishing).offset, 1);
  assert.equal(hub.of("publish").length, 2);
});

test("messages refused by the rate limit keep their order when one is refused twice", async () => {
  const client = await open();
  const refusals = [];
  const refusal = { code: "unavailable", message: "Later.", retry: true, retry_after: 0.05 };
  hub.instead.chat_message = (_, answer) => refusals.push(() => answer("error", refusal));
  for (const text of ["0", "1", "2"]) await client.send("chat_message", { text });
  await clock.advance(100);
  refusals[0]();
  await clock.advance(100);
  assert.deepEqual(hub.texts(), ["0", "1", "2", "0"]);
  for (const refuse of refusals.slice(1)) refuse();
  await clock.advance(100);
  await client.send("chat_message", { text: "3" });
  await clock.advance(100);
  assert.deepEqual(hub.texts().slice(4), ["0", "1", "2", "3"]);
});

test("client waits as long as the server says, and answers pings meanwhile", async () => {
  const client = await open();
  let refused = false;
  hub.instead.chat_message = ({ payload }, answer) => {
    if (refused) return;
    refused = true;
    const message = "Later.";
    answer("error", { code: "unavailable", message, retry: true, retry_after: 5 });
  };
  await client.send("chat_message", { text: "first" });
  await clock.advance(10);
  await client.send("chat_message", { text: "second" });
  await clock.advance(4_000);
  assert.deepEqual(hub.texts(), ["first"]);
  hub.say("ping", { timestamp: 1 });
  await clock.advance(10);
  assert.equal(hub.of("pong").length, 1);
  await clock.advance(1_000);
  assert.deepEqual(hub.texts(), ["first", "first", "second"]);
});

test("client sends no faster than the server's rate", async () => {
  hub.limits.rate = 200;
  const client = await open();
  await clock.advance(1_000);
  const sending = Array.from({ length: 500 }, (_, i) => client.send("chat_message", { text: `${i}` }));
  await settle();
  assert.ok(hub.texts().length <= 200, "a burst at first");
  await clock.advance(1_000);
  assert.ok(hub.texts().length <= 400);
  await clock.advance(2_000);
  await Promise.all(sending);
  assert.deepEqual(hub.texts(), Array.from({ length: 500 }, (_, i) => `${i}`));
});

test("client sends no larger burst than the server's", async () => {
  hub.limits = { ...hub.limits, rate: 1_000, burst: 10 };
  const client = await open();
  await clock.advance(1_000);
  for (let number = 0; number < 100; number += 1) client.send("chat_message", { text: `${number}` });
  await settle();
  assert.ok(hub.texts().length > 0 && hub.texts().length <= 10, `${hub.texts().length} at once`);
  await clock.advance(1_000);
  assert.equal(hub.texts().length, 100);
});

test("blocked connection delays sending, and confirmations still arrive", async () => {
  const client = await open();
  hub.socket.bufferedAmount = 2 << 20;
  await client.send("chat_message", { text: "hi" });
  await clock.advance(1_000);
  assert.equal(hub.texts().length, 0);
  hub.socket.bufferedAmount = 0;
  await clock.advance(50);
  assert.deepEqual(hub.texts(), ["hi"]);
});

test("batch is sent when it is full or old enough", async () => {
  const client = await open({ batch: { size: 3, delay: 100 } });
  for (const text of ["1", "2", "3", "4"]) client.send("chat_message", { text });
  assert.deepEqual([hub.texts(), hub.batches], [["1", "2", "3"], [3]]);
  await clock.advance(99);
  assert.equal(hub.texts().length, 3);
  await clock.advance(1);
  assert.deepEqual(hub.texts(), [..."1234"]);
  client.publish("news", new Uint8Array([0, 1, 2]));
  client.publish("news", "text");
  await client.flush();
  const { data, encoding } = hub.of("publish")[0].payload;
  assert.deepEqual([data, encoding, hub.batches], ["AAEC", "base64", [3, 2]]);
});
