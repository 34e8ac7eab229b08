/** What is sent, in which order, and what becomes of it when the connection is lost. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  ConnectionLost,
  MessageExpired,
  OptionError,
  ProtocolError,
  QueueFull,
  RequestTimeout,
} from "../../rtmon/web/rtmon.js";
import { FakeClock, FakeHub, settle } from "./fakes.mjs";

let clock;
let hub;

beforeEach(() => {
  clock = new FakeClock();
  hub = new FakeHub();
});

const open = (options) => hub.open(clock, options);

async function cut() {
  hub.up = false;
  hub.socket.end(1006);
  await settle();
}

async function back() {
  hub.up = true;
  await clock.advance(8_000);
}

const texts = () => hub.of("chat_message").map(({ payload }) => payload.text);

function problems(client) {
  const reasons = [];
  client.onError(({ reason }) => reasons.push(reason));
  return reasons;
}

test("what the server is not known to have is sent again under the same id, in order", async () => {
  const client = await open();
  await client.send("chat_message", { text: "one" });
  await client.send("chat_message", { text: "two" });
  assert.equal(client.stats.unconfirmed, 2);
  await cut();
  await client.send("chat_message", { text: "three" });
  await back();
  assert.deepEqual(texts(), ["one", "two", "one", "two", "three"]);
  const ids = hub.of("chat_message").map(({ id }) => id);
  assert.deepEqual(ids.slice(0, 2), ids.slice(2, 4));
  assert.equal(client.stats.resent, 2);
  await client.close();
});

test("what a pong or an ack has confirmed is not sent again", async () => {
  const client = await open();
  await client.send("chat_message", { text: "by a pong" });
  await clock.advance(20_000);
  await client.publish("news", "by an ack", { ack: true });
  assert.equal(client.stats.unconfirmed, 0);
  await cut();
  await back();
  assert.deepEqual([texts(), hub.of("publish").length], [["by a pong"], 1]);
});

test("what was cut off and might be done twice is not sent again, and its sender is told", async () => {
  const client = await open();
  const reasons = problems(client);
  hub.answers = false;
  const asked = assert.rejects(client.request("private_message", { to: "x" }), ConnectionLost);
  await client.send("private_message", { to: "y", text: "hi" });
  hub.answers = true;
  await cut();
  await asked;
  assert.match(reasons[0], /'private_message' was sent, but may not have arrived/);
  await back();
  assert.equal(hub.of("private_message").length, 0);
});

test("a question that does no harm when asked twice is asked again and answered", async () => {
  const client = await open();
  hub.instead.presence = () => {};
  const asked = client.request("presence", {}, { timeout: 60_000 });
  await cut();
  hub.instead.presence = (envelope, answer) => answer("presence", { count: 3, members: [] });
  await back();
  assert.equal((await asked).payload.count, 3);
});

test("an answer may take longer than heartbeats do", async () => {
  const client = await open();
  let answerIt;
  hub.instead.presence = (envelope, answer) => {
    answerIt = () => answer("presence", { count: 3, members: [] });
  };
  const asked = client.request("presence", {}, { timeout: 90_000 });
  await clock.advance(60_000);
  answerIt();
  assert.equal((await asked).payload.count, 3);
});

test("that somebody is typing is not kept for later", async () => {
  const client = await open();
  await cut();
  await client.send("typing_start", {});
  await back();
  assert.equal(hub.of("typing_start").length, 0);
});

test("what waits too long is dropped, and told", async () => {
  const client = await open({ queueAge: 60_000 });
  const reasons = problems(client);
  await cut();
  await client.send("chat_message", { text: "old" });
  const asked = assert.rejects(client.publish("news", 1, { ack: true, timeout: 90_000 }), MessageExpired);
  await clock.advance(59_999);
  assert.equal(client.stats.queued, 2);
  await clock.advance(1);
  await asked;
  assert.deepEqual([client.stats.queued, client.stats.expired], [0, 2]);
  assert.ok(reasons.some((reason) => /'chat_message' waited too long/.test(reason)));
});

test("what the server would no longer know is not sent again, and told", async () => {
  const client = await open({ queueAge: 3_600_000 });
  const reasons = problems(client);
  await client.send("chat_message", { text: "old" });
  await cut();
  await clock.advance(270_000);
  await back();
  assert.deepEqual(texts(), ["old"]);
  assert.ok(reasons.some((reason) => /waited too long/.test(reason)));
});

test("a full queue refuses", async () => {
  const client = await open({ queueSize: 2, queuePolicy: "refuse" });
  await cut();
  await client.send("chat_message", { text: "one" });
  await client.send("chat_message", { text: "two" });
  await assert.rejects(client.send("chat_message", { text: "three" }), QueueFull);
  await back();
  assert.deepEqual(texts(), ["one", "two"]);
});

test("a full queue drops the oldest, and says so", async () => {
  const client = await open({ queueSize: 2, queuePolicy: "drop_oldest" });
  const reasons = problems(client);
  await cut();
  for (const text of ["one", "two", "three"]) await client.send("chat_message", { text });
  assert.ok(reasons.some((reason) => /'chat_message' is dropped/.test(reason)));
  await back();
  assert.deepEqual([texts(), client.stats.dropped], [["two", "three"], 1]);
});

test("a full queue makes senders wait, and nobody overtakes", async () => {
  const client = await open({ queueSize: 2 });
  await cut();
  const sent = [];
  const sending = ["1", "2", "3", "4", "5"].map(async (text) => {
    await client.send("chat_message", { text });
    sent.push(text);
  });
  await settle();
  assert.deepEqual(sent, ["1", "2"]);
  await back();
  await Promise.all(sending);
  assert.deepEqual([texts(), sent], [[..."12345"], [..."12345"]]);
  const order = [];
  const say = async (text) => {
    await client.send("chat_message", { text });
    order.push(text);
  };
  const waiting = ["6", "7", "8"].map(say);
  // There is room again, and somebody new comes before those who wait have noticed.
  client.onRtt(() => waiting.push(say("9")));
  await clock.advance(1_000);
  await Promise.all(waiting);
  assert.deepEqual(order.slice(0, 4), [..."6789"]);
});

test("a message is sent as it was when it was handed over", async () => {
  const client = await open({ queueSize: 1 });
  await cut();
  await client.send("chat_message", { text: "first" });
  const payload = { text: "second" };
  const sending = client.send("chat_message", payload);
  const bytes = new Uint8Array([1, 2, 3]);
  const publishing = client.publish("news", bytes);
  payload.text = "changed";
  bytes.fill(9);
  await back();
  await Promise.all([sending, publishing]);
  assert.deepEqual(texts(), ["first", "second"]);
  assert.deepEqual([...hub.of("binary")[0].data.slice(-3)], [1, 2, 3]);
});

test("an answer comes to who asked; a refusal has the server's code", async () => {
  const client = await open();
  const position = await client.publish("news", { a: 1 }, { ack: true });
  assert.equal(position.epoch, "first");
  hub.instead.join_room = (envelope, answer) => {
    answer("error", { code: "room_full", message: "The room is full.", retry: false });
  };
  await assert.rejects(client.join("x"), (error) => {
    assert.ok(error instanceof ProtocolError);
    assert.deepEqual([error.code, error.retry, error.name], ["room_full", false, "ProtocolError"]);
    return true;
  });
  const reasons = problems(client);
  hub.instead.chat_message = (envelope, answer) => answer("error", { code: "no", message: "No." });
  await client.send("chat_message", { text: "hi" });
  await settle();
  assert.deepEqual(reasons, ["No."]);
});

test("a request that is not answered in time is given up, also while offline", async () => {
  const client = await open();
  hub.instead.presence = () => {};
  const asked = assert.rejects(client.request("presence", {}, { timeout: 3_000 }), RequestTimeout);
  await clock.advance(3_000);
  await asked;
  await cut();
  const offline = assert.rejects(client.publish("news", 1, { ack: true }), RequestTimeout);
  await clock.advance(10_000);
  await offline;
  await back();
  assert.equal(hub.of("publish").length, 0);
});

test("what the server refuses for its rate is sent again", async () => {
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

test("it sends no faster than the server takes it", async () => {
  hub.limits.rate = 200;
  const client = await open();
  await clock.advance(1_000);
  const sending = Array.from({ length: 500 }, (_, i) => client.send("chat_message", { text: `${i}` }));
  await settle();
  assert.ok(texts().length <= 200, "a burst at first");
  await clock.advance(1_000);
  assert.ok(texts().length <= 400);
  await clock.advance(2_000);
  await Promise.all(sending);
  assert.deepEqual(texts(), Array.from({ length: 500 }, (_, i) => `${i}`));
});

test("it sends no more at once than the server says it takes", async () => {
  hub.limits = { ...hub.limits, rate: 1_000, burst: 10 };
  const client = await open();
  await clock.advance(1_000);
  for (let number = 0; number < 100; number += 1) client.send("chat_message", { text: `${number}` });
  await settle();
  assert.ok(texts().length > 0 && texts().length <= 10, `${texts().length} at once`);
  await clock.advance(1_000);
  assert.equal(texts().length, 100);
});

test("what may not have arrived when it is closed or gives up is told and counted", async () => {
  const client = await open();
  const reasons = problems(client);
  await cut();
  for (let number = 0; number < 50; number += 1) await client.publish("news", number);
  await client.close();
  assert.equal(reasons.at(-1), "50 messages may not have arrived: the client is closed.");
  assert.deepEqual([client.stats.queued, client.stats.dropped], [0, 50]);

  hub.up = true;
  const other = await open({ backoff: { attempts: 1 } });
  const told = problems(other);
  hub.answers = false;
  await other.publish("news", "sent, and not confirmed");
  await other.send("typing_start", {});
  await cut();
  await clock.advance(60_000);
  assert.deepEqual([other.state, other.stats.dropped], ["closed", 1]);
  assert.equal(told.at(-1), "1 message may not have arrived: the client is closed.");
});

test("batches go out when they are full, or old enough", async () => {
  const client = await open({ batch: { size: 3, delay: 100 } });
  for (const text of ["1", "2", "3", "4"]) client.send("chat_message", { text });
  assert.deepEqual([texts(), hub.batches], [["1", "2", "3"], [3]]);
  await clock.advance(99);
  assert.equal(texts().length, 3);
  await clock.advance(1);
  assert.deepEqual(texts(), [..."1234"]);
  client.publish("news", new Uint8Array([0, 1, 2]));
  client.publish("news", "text");
  await client.flush();
  const { data, encoding } = hub.of("publish")[0].payload;
  assert.deepEqual([data, encoding, hub.batches], ["AAEC", "base64", [3, 2]]);
});

test("flush is over when the server has everything, and not before", async () => {
  const client = await open();
  hub.answers = false;
  let flushed = false;
  client.send("chat_message", { text: "hi" });
  const flushing = client.flush().then(() => {
    flushed = true;
  });
  await clock.advance(5_000);
  assert.equal(flushed, false);
  hub.answers = true;
  await clock.advance(30_000);
  await flushing;
  assert.deepEqual(texts(), ["hi"]);
});

test("what JSON would change without a word is refused", async () => {
  const client = await open();
  const refused = (payload, problem) =>
    assert.rejects(client.send("publish", payload), { name: "OptionError", message: problem });
  await refused({ channel: "news", data: { x: NaN } }, /'x' is NaN/);
  await refused({ channel: "news", data: [new Uint8Array(2)] }, /only data as a whole/);
  await refused({ channel: "news", data: 1n }, /cannot be sent/);
  await refused([], /is no object/);
  const loop = {};
  loop.loop = loop;
  await refused({ channel: "news", data: loop }, /cannot be sent/);
  await refused({ channel: "news", data: "x".repeat(131_072) }, /larger than the 131072 bytes/);
  await refused({ channel: "news", data: "é".repeat(65_536) }, /larger/);
  await assert.rejects(client.send("chat_message", { data: new Uint8Array(1) }), OptionError);
  assert.equal(hub.of("publish").length, 0);
});

test("a connection that takes no more holds back what is sent, not what is known of it", async () => {
  const client = await open();
  hub.socket.bufferedAmount = 2 << 20;
  await client.send("chat_message", { text: "hi" });
  await clock.advance(1_000);
  assert.equal(texts().length, 0);
  hub.socket.bufferedAmount = 0;
  await clock.advance(50);
  assert.deepEqual(texts(), ["hi"]);
});

/** A transfer that the hub takes nothing of; `given` are options of sendFile. */
async function offered(client, given) {
  hub.instead.file_offer = (envelope, answer) => answer("ack", { file: "f", received: 0 });
  const file = new Blob([new Uint8Array(2 << 20)]);
  const sending = client.sendFile(file, { name: "a", ...given });
  sending.catch(() => {});
  while (hub.of("binary").length === 0) await settle();
  return sending;
}

const aborts = () => hub.of("file_abort").map(({ payload }) => payload);

test("a file is given up at once, whatever it waits for, and the server is told", async () => {
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

  await cut();
  const second = client.sendFile(new Blob(["x"]), { name: "c", signal: offline });
  second.catch(() => {});
  await settle();
  abort(1);
  await assert.rejects(second, RangeError);
  abort(2);
  await assert.rejects(receiving, RangeError);
  await back();
  assert.deepEqual(aborts(), [{ file: "f" }, { file: "g" }]);
  await client.close();
});

test("an offer may wait for its answer; one that was given up meanwhile is taken back", async () => {
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

test("a request may wait for ever", async () => {
  const client = await open();
  hub.instead.presence = (envelope, answer) => clock.setTimeout(() => answer("presence", {}), 15_000);
  const asking = client.request("presence", {}, { timeout: Infinity });
  await clock.advance(15_000);
  assert.equal((await asking).type, "presence");
  await client.close();
});
