/** Sending: order, confirmation, and resending after a lost connection. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ConnectionLost, OptionError, ProtocolError, RequestTimeout } from "../../rtmon/web/rtmon.js";
import { FakeClock, FakeHub, problems, settle } from "./fakes.mjs";

let clock;
let hub;

beforeEach(() => {
  clock = new FakeClock();
  hub = new FakeHub();
});

const open = (options) => hub.open(clock, options);

test("unconfirmed messages are sent again under the same ids, in order", async () => {
  const client = await open();
  await client.send("chat_message", { text: "one" });
  await client.send("chat_message", { text: "two" });
  assert.equal(client.stats.unconfirmed, 2);
  await hub.cut();
  await client.send("chat_message", { text: "three" });
  await hub.back(clock);
  assert.deepEqual(hub.texts(), ["one", "two", "one", "two", "three"]);
  const ids = hub.of("chat_message").map(({ id }) => id);
  assert.deepEqual(ids.slice(0, 2), ids.slice(2, 4));
  assert.equal(client.stats.resent, 2);
  await client.close();
});

test("message is not sent again when a pong or an ack has confirmed it", async () => {
  const client = await open();
  await client.send("chat_message", { text: "by a pong" });
  await clock.advance(20_000);
  await client.publish("news", "by an ack", { ack: true });
  assert.equal(client.stats.unconfirmed, 0);
  await hub.cut();
  await hub.back(clock);
  assert.deepEqual([hub.texts(), hub.of("publish").length], [["by a pong"], 1]);
});

test("message is reported, not sent again, when it might take effect twice", async () => {
  const client = await open();
  const reasons = problems(client);
  hub.answers = false;
  const asked = assert.rejects(client.request("private_message", { to: "x" }), ConnectionLost);
  await client.send("private_message", { to: "y", text: "hi" });
  hub.answers = true;
  await hub.cut();
  await asked;
  assert.match(reasons[0], /'private_message' was sent, but may not have arrived/);
  await hub.back(clock);
  assert.equal(hub.of("private_message").length, 0);
});

test("repeatable request is sent again after a cut and answered", async () => {
  const client = await open();
  hub.instead.presence = () => {};
  const asked = client.request("presence", {}, { timeout: 60_000 });
  await hub.cut();
  hub.instead.presence = (envelope, answer) => answer("presence", { count: 3, members: [] });
  await hub.back(clock);
  assert.equal((await asked).payload.count, 3);
});

test("request may be answered later than the heartbeat's timeout", async () => {
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

test("typing message is not kept while offline", async () => {
  const client = await open();
  await hub.cut();
  await client.send("typing_start", {});
  await hub.back(clock);
  assert.equal(hub.of("typing_start").length, 0);
});

test("request resolves with its answer, and rejects with the server's error code", async () => {
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

test("request rejects after its timeout, also while offline", async () => {
  const client = await open();
  hub.instead.presence = () => {};
  const asked = assert.rejects(client.request("presence", {}, { timeout: 3_000 }), RequestTimeout);
  await clock.advance(3_000);
  await asked;
  await hub.cut();
  const offline = assert.rejects(client.publish("news", 1, { ack: true }), RequestTimeout);
  await clock.advance(10_000);
  await offline;
  await hub.back(clock);
  assert.equal(hub.of("publish").length, 0);
});

test("unconfirmed messages are reported and counted when the client closes or stops retrying", async () => {
  const client = await open();
  const reasons = problems(client);
  await hub.cut();
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
  await hub.cut();
  await clock.advance(60_000);
  assert.deepEqual([other.state, other.stats.dropped], ["closed", 1]);
  assert.equal(told.at(-1), "1 message may not have arrived: the client is closed.");
});

test("flush resolves when the server has every message, and not before", async () => {
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
  assert.deepEqual(hub.texts(), ["hi"]);
});

test("request of an application's own message type always requests an answer", async () => {
  const client = await open();
  await client.send("mine", {});
  client.request("mine", {}).catch(() => {});
  client.request("presence", {}).catch(() => {});
  await clock.advance(0);
  assert.deepEqual(hub.of("mine").map(({ ack }) => ack), [undefined, true]);
  assert.deepEqual(hub.of("presence").map(({ ack }) => ack), [undefined]);
});

test("value that JSON would change silently is refused", async () => {
  const client = await open();
  const refused = (payload, problem) =>
    assert.rejects(client.send("publish", payload), { name: "OptionError", message: problem });
  await refused({ channel: "news", data: { x: NaN } }, /'x' is NaN/);
  await refused({ channel: "news", data: [new Uint8Array(2)] }, /only data as a whole/);
  await refused({ channel: "news", data: 1n }, /cannot be sent/);
  await refused({ channel: "news", data: Promise.resolve(1) }, /'data' is a Promise: await it/);
  await refused({ channel: "news", data: [new Map([[1, 2]])] }, /'0' is a Map: send Object/);
  await refused({ channel: "news", data: { ids: new Set([1]) } }, /'ids' is a Set: send Array/);
  await refused({ channel: "news", data: { run() {} } }, /'run' is a function/);
  await refused({ channel: "news", data: Symbol("x") }, /'data' is a symbol/);
  await refused([], /is no object/);
  const loop = {};
  loop.loop = loop;
  await refused({ channel: "news", data: loop }, /cannot be sent/);
  await refused({ channel: "news", data: "x".repeat(131_072) }, /larger than the 131072 bytes/);
  await refused({ channel: "news", data: "é".repeat(65_536) }, /larger/);
  await assert.rejects(client.send("chat_message", { data: new Uint8Array(1) }), OptionError);
  assert.equal(hub.of("publish").length, 0);
});

for (const batch of [null, { size: 10, delay: 100 }]) {
  test(`value that no receiver could decode is refused at once, ${batch ? "batched" : "alone"}`, async () => {
    const client = await open({ batch });
    const refused = (data, problem) =>
      assert.rejects(client.publish("news", data), { name: "OptionError", message: problem });
    const cut = "ab😀".slice(0, 3);
    const sent = [client.send("chat_message", { text: "before" })];
    await refused(cut, /'data' has half of a surrogate pair/);
    await refused({ a: [new String(cut)] }, /'0' has half/);
    await refused({ [cut]: 1 }, /a key has half/);
    await refused(new Number(Infinity), /'data' is Infinity/);
    await refused(2 ** 64, /does not fit into 64 bits/);
    await refused(-1e20, /does not fit into 64 bits/);
    await refused(nested(33), /nest 32 deep/);
    await refused(nested(10_000), /cannot be sent/);
    await assert.rejects(client.request("mine", { x: cut }), OptionError);
    await assert.rejects(client.send(cut, {}), OptionError);
    await assert.rejects(client.join(cut), OptionError);
    assert.throws(() => client.subscribe(cut), OptionError);
    for (const data of ["😀", "\\ud83d", 1e21, 2 ** 63, -0, nested(32), new Date(0)]) {
      sent.push(client.publish("news", data));
    }
    sent.push(client.send("chat_message", { text: "after" }));
    await Promise.all(sent);
    await clock.advance(200);
    assert.deepEqual([hub.texts(), hub.of("publish").length], [["before", "after"], 7]);
    await hub.cut();
    await hub.back(clock);
    assert.equal(client.state, "open");
    await client.close();
  });
}

/** Return this many nested arrays. */
function nested(depth) {
  let value = [];
  for (let level = 1; level < depth; level += 1) value = [value];
  return value;
}

test("request can wait without a timeout", async () => {
  const client = await open();
  hub.instead.presence = (envelope, answer) => clock.setTimeout(() => answer("presence", {}), 15_000);
  const asking = client.request("presence", {}, { timeout: Infinity });
  await clock.advance(15_000);
  assert.equal((await asking).type, "presence");
  await client.close();
});
