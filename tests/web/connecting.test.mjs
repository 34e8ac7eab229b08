/** Connecting, backoff, reconnecting and the end of retries, on a clock that the test advances. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ClientClosed, ConnectionLost, OptionError, RequestTimeout, connect } from "../../rtmon/web/rtmon.js";
import { backoffDelay } from "../../rtmon/web/client/lifecycle.js";
import { FakeClock, FakeHub, settle } from "./fakes.mjs";

let clock;
let hub;

beforeEach(() => {
  clock = new FakeClock();
  hub = new FakeHub();
});

/** Returns an array that collects the state changes of a client. */
function told(client) {
  const changes = [];
  client.onChange((change) => changes.push(change));
  return changes;
}

const names = (changes) => changes.map((change) => change.what);

test("client connects at once, sends its name, and measures the round trip", async () => {
  const client = hub.connect(clock, { name: "ada", user: "u1", info: { age: 36 } });
  const changes = told(client);
  assert.equal(client.state, "connecting");
  await client.waitOpen();
  await settle();
  assert.deepEqual(names(changes), ["open"]);
  assert.equal(client.clientId, "c1");
  assert.equal(client.rtt, 0);
  assert.deepEqual(hub.socket.protocols, ["rtmon.v1.json"]);
  assert.equal(hub.socket.url.search, "?name=ada&user=u1");
  assert.deepEqual(hub.of("connect")[0].payload, { info: { age: 36 }, heartbeat: 20 });
});

test("client backs off up to the bound during ten minutes of outage, and sends queued messages in order", async () => {
  const client = hub.connect(clock, { queueAge: 3_600_000 });
  await client.waitOpen();
  const changes = told(client);
  hub.up = false;
  hub.socket.end(1006);
  await settle();
  for (let minute = 0; minute < 10; minute += 1) {
    await client.send("chat_message", { text: `${minute}` });
    await clock.advance(60_000);
  }
  const waits = changes.filter(({ delay }) => delay !== null).map(({ delay }) => delay);
  assert.deepEqual(waits.slice(0, 5), [1_000, 2_000, 4_000, 8_000, 8_000]);
  assert.equal(client.stats.attempts, 1 + 3 + Math.floor((600 - 7) / 8));
  assert.equal(client.state, "reconnecting");
  hub.up = true;
  await clock.advance(8_000);
  assert.equal(client.state, "open");
  assert.deepEqual(
    hub.of("chat_message").map(({ payload }) => payload.text),
    [..."0123456789"],
  );
  const { downtime } = changes.find(({ what }) => what === "reconnect");
  assert.ok(downtime >= 600_000 && downtime <= 608_000);
  assert.equal(client.stats.downtime, downtime);
});

test("delay is anywhere from zero to its bound with full jitter", () => {
  const backoff = { base: 500, factor: 2, max: 15_000, jitter: "full", attempts: null };
  assert.equal(backoffDelay(backoff, 1, () => 0), 0);
  assert.equal(backoffDelay(backoff, 3, () => 0.5), 1_000);
  assert.equal(backoffDelay(backoff, 100_000, () => 1), 15_000);
});

test("client starts with short delays again only when the last connection was stable", async () => {
  const client = hub.connect(clock, { stableAfter: 5_000 });
  const changes = told(client);
  await client.waitOpen();
  for (const [lasted, wait] of [
    [10_000, 1_000],
    [1_000, 2_000],
    [10_000, 1_000],
  ]) {
    await clock.advance(lasted);
    hub.socket.end(1006);
    await clock.advance(wait);
  }
  const closes = changes.filter(({ what }) => what === "close");
  assert.deepEqual(closes.map(({ delay }) => delay), [1_000, 2_000, 1_000]);
});

test("client stops retrying after its last attempt, and waiting callers get the error", async () => {
  hub.up = false;
  const client = hub.connect(clock, { backoff: { attempts: 2 } });
  const changes = told(client);
  const waiting = assert.rejects(client.waitOpen(), ClientClosed);
  const asking = assert.rejects(client.request("presence"), ClientClosed);
  await clock.advance(5_000);
  await Promise.all([waiting, asking]);
  assert.equal(hub.sockets.length, 3);
  assert.equal(changes.at(-1).what, "gave_up");
  assert.equal(client.state, "closed");
  await assert.rejects(client.send("chat_message", { text: "hi" }), ClientClosed);
});

for (const [code, back] of [
  [1000, false],
  [1001, true],
  [1006, true],
  [1008, false],
  [1009, false],
  [1011, true],
  [1013, true],
  [4000, true],
  [4499, true],
  [4500, false],
  [4999, false],
]) {
  test(`client ${back ? "reconnects" : "stops retrying"} after close code ${code}`, async () => {
    const client = hub.connect(clock);
    await client.waitOpen();
    const changes = told(client);
    hub.socket.end(code, "because");
    await clock.advance(60_000);
    assert.equal(hub.sockets.length, back ? 2 : 1);
    assert.deepEqual(names(changes), [
      "close",
      ...(back ? ["connecting", "reconnect"] : ["gave_up"]),
    ]);
    assert.deepEqual([changes[0].code, changes[0].reason], [code, "because"]);
    assert.equal(changes[0].state, back ? "reconnecting" : "closed");
    assert.equal(changes[0].delay === null, !back);
  });
}

test("disconnect message of the server overrides the close code", async () => {
  const client = hub.connect(clock);
  await client.waitOpen();
  hub.say("disconnect", { code: 1000, reason: "moving", retry: true, retry_after: 30 });
  hub.socket.end(1000);
  await clock.advance(30_999);
  assert.equal(hub.sockets.length, 1);
  await clock.advance(1);
  assert.equal(hub.sockets.length, 2);
  hub.say("disconnect", { code: 1001, reason: "enough", retry: false });
  hub.socket.end(1001);
  await clock.advance(60_000);
  assert.deepEqual([client.state, hub.sockets.length], ["closed", 2]);
});

test("closed client never reconnects", async () => {
  const client = hub.connect(clock);
  await client.waitOpen();
  const changes = told(client);
  await client.close();
  await client.close();
  assert.deepEqual(names(changes), ["closing", "close"]);
  assert.equal(hub.socket.closed, 1000);
  client.reconnect();
  await clock.advance(600_000);
  assert.equal(hub.sockets.length, 1);
});

test("client can be closed during a backoff delay and during an attempt", async () => {
  hub.up = false;
  const waiting = hub.connect(clock);
  await clock.advance(10);
  hub.answers = false;
  hub.up = true;
  const connecting = hub.connect(clock);
  await clock.advance(10);
  await Promise.all([waiting.close(), connecting.close()]);
  for (const client of [waiting, connecting]) client.reconnect();
  await clock.advance(600_000);
  assert.equal(hub.sockets.length, 2);
  assert.equal(connecting.state, "closed");
});

test("close waits for unconfirmed messages, up to a timeout", async () => {
  const client = hub.connect(clock, { closeTimeout: 3_000 });
  await client.waitOpen();
  hub.answers = false;
  await client.send("chat_message", { text: "hi" });
  const closing = client.close();
  await clock.advance(2_999);
  assert.equal(client.state, "closing");
  await clock.advance(1);
  await closing;
  assert.equal(client.state, "closed");
});

test("client closes a silent connection after interval and timeout, although TCP reports nothing", async () => {
  const options = { heartbeatInterval: 20_000, heartbeatTimeout: 10_000 };
  const client = hub.connect(clock, options);
  await client.waitOpen();
  await settle();
  const changes = told(client);
  hub.answers = false;
  await clock.advance(29_999);
  assert.equal(client.state, "open");
  hub.answers = true;
  await clock.advance(1);
  assert.equal(client.state, "reconnecting");
  assert.deepEqual([changes[0].what, changes[0].reason], ["close", "no sign of life for 10 s"]);
  await clock.advance(1_000);
  assert.equal(client.state, "open");
});

test("client keeps a working connection when the browser has delayed the page's timers", async () => {
  const client = hub.connect(clock, { heartbeatInterval: 20_000, heartbeatTimeout: 10_000 });
  await client.waitOpen();
  await settle();
  clock.sleep(60_000);
  await clock.advance(0);
  await clock.advance(25_000);
  assert.equal(client.state, "open");
  assert.equal(hub.sockets.length, 1);
});

test("client answers the server's ping", async () => {
  const client = hub.connect(clock);
  await client.waitOpen();
  const ping = hub.say("ping", { timestamp: 5 });
  const [pong] = hub.of("pong");
  assert.deepEqual([pong.reply_to, pong.payload], [ping.id, { timestamp: 5 }]);
  await client.close();
});

test("client reconnects when the server sends no welcome", async () => {
  hub.answers = false;
  const client = hub.connect(clock, { openTimeout: 4_000 });
  const changes = told(client);
  await clock.advance(4_000);
  assert.match(changes[0].reason, /no welcome: is it a hub/);
  hub.answers = true;
  await clock.advance(1_000);
  assert.equal(client.state, "open");
});

test("connection that ends before the welcome message counts as a failed attempt, not as a close", async () => {
  for (const [code, state] of [
    [1000, "closed"],
    [1006, "connecting"],
    [1013, "connecting"],
    [4500, "closed"],
  ]) {
    hub.answers = false;
    const client = hub.connect(clock);
    const changes = told(client);
    await settle();
    hub.socket.end(code);
    await settle();
    assert.deepEqual(names(changes)[0], "error");
    assert.ok(!names(changes).includes("close"));
    assert.deepEqual([changes[0].code, changes[0].state], [code, state]);
    assert.match(changes[0].reason, /no welcome: is it a hub/);
    assert.ok(changes[0].error instanceof ConnectionLost);
    await client.close();
  }
});

test("error of a failed attempt asks whether the server is a hub, for waiting callers too", async () => {
  hub.up = false;
  const client = hub.connect(clock);
  const changes = told(client);
  const waiting = assert.rejects(client.waitOpen({ timeout: 2_000 }), /is it a hub\?\): close code 1006/);
  await clock.advance(2_000);
  await waiting;
  const { reason } = changes.find(({ what }) => what === "error");
  assert.match(reason, /is the server there, and is it a hub/);
  await client.close();
});

test("reconnect() starts the next attempt at once", async () => {
  hub.up = false;
  const client = hub.connect(clock);
  await clock.advance(3_500);
  const before = hub.sockets.length;
  client.reconnect();
  assert.equal(hub.sockets.length, before + 1);
  hub.up = true;
  await client.waitOpen();
  client.reconnect();
  assert.equal(hub.sockets.length, before + 1);
});

test("waiting for a connection ends after its timeout", async () => {
  hub.up = false;
  const client = hub.connect(clock);
  const waiting = assert.rejects(client.waitOpen({ timeout: 2_000 }), RequestTimeout);
  await clock.advance(2_000);
  await waiting;
  assert.equal(client.state, "connecting");
});

test("client reconnects as the same sender and recovers from its position in the chat", async () => {
  const client = hub.connect(clock);
  await client.waitOpen();
  hub.offsets.chat = 7;
  hub.say("chat_message", { text: "hi", epoch: "first", offset: 7 });
  hub.socket.end(1006);
  await clock.advance(1_000);
  assert.equal(hub.socket.url.search, "?epoch=first&offset=7");
  assert.deepEqual(hub.of("connect").map(({ payload }) => payload.session), [undefined, "s1"]);
  await client.close();
});

test("wrong options raise an error that says what to do", () => {
  const refused = (options, problem) =>
    assert.throws(() => hub.connect(clock, options), { name: "OptionError", message: problem });
  refused({ queueSize: 0 }, /queueSize is 0: give a number from 1/);
  refused({ heartbeatInterval: "soon" }, /heartbeatInterval is soon/);
  refused({ queuePolicy: "hope" }, /give wait, refuse, drop_oldest/);
  refused({ retries: 3 }, /no option 'retries'/);
  refused({ backoff: { base: 10, max: 5 } }, /backoff.base/);
  refused({ backoff: { retries: 3 } }, /backoff has no option 'retries'/);
  refused({ name: "a\nb" }, /name is no name/);
  refused({ batch: { size: 101 } }, /batch.size is 101/);
  refused({ batch: false }, /batch is false: give an object/);
  refused({ info: { speed: NaN } }, /info cannot be sent: 'speed' is NaN/);
  refused({ info: 1n }, /info cannot be sent/);
  refused({ info: "\ud83d" }, /info cannot be sent/);
  refused({ name: "\ud83d" }, /name is no name/);
  const { WebSocket } = hub;
  assert.throws(() => connect("ws://hub.test", { WebSocket, backoff: 3 }), /backoff is 3/);
  assert.throws(() => connect("ftp://hub.test", { WebSocket }), OptionError);
  assert.throws(() => connect("ws://"), OptionError);
  assert.equal(hub.sockets.length, 0);
});
