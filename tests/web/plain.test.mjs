/** A client of servers without rtmon: servers of `ws`, or a fake one with a fake clock. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "../peers/node_modules/ws/wrapper.mjs";
import { ClientClosed, OptionError, connect } from "../../rtmon/web/rtmon.js";
import { FakeClock, FakeHub, settle } from "./fakes.mjs";
import { until } from "./place.mjs";

/** Start a simple chat server, which answers `ping` and broadcasts each message. */
async function startServer(t, { port = 0, greeting = [], answers = true } = {}) {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  await once(server, "listening");
  const heard = [];
  server.on("connection", (socket) => {
    for (const message of greeting) socket.send(message);
    socket.on("message", (data, binary) => {
      const said = binary ? data : data.toString();
      if (!binary && said.includes('"type":"ping"')) {
        if (answers) socket.send('{"type":"pong","payload":{"timestamp":1}}');
        return;
      }
      heard.push(said);
      for (const each of server.clients) each.send(data, { binary });
    });
  });
  const stop = () =>
    new Promise((resolve) => {
      for (const each of server.clients) each.terminate();
      server.close(resolve);
    });
  t.after(stop);
  return { server, heard, stop, url: `ws://127.0.0.1:${server.address().port}` };
}

function plain(t, url, given = {}) {
  const client = connect(url, {
    protocol: "plain",
    WebSocket,
    backoff: { base: 10, max: 50, jitter: 0.5 },
    closeTimeout: 500,
    ...given,
  });
  t.after(() => client.close());
  return client;
}

test("plain client works with a server without welcome, and measures latency by its pongs", async (t) => {
  const greeting = [
    '{"type":"welcome","payload":{"clientId":7}}',
    '{"type":"ticker","symbol":"X"}',
    '{"no":"type"}',
    "[1",
    new Uint8Array([0, 255]),
  ];
  const { heard, url } = await startServer(t, { greeting });
  const client = plain(t, url);
  const [all, rtts] = [[], []];
  client.on("*", (message) => all.push(message));
  client.onRtt((rtt) => rtts.push(rtt));
  await client.send("chat_message", { text: "hi" });
  await client.send("list", [1, 2]);
  await client.sendRaw("hello");
  await client.sendRaw(new Uint8Array([1]));
  await until(() => all.length === 9 && rtts.length === 1);
  assert.deepEqual(heard.slice(0, 3), [
    '{"type":"chat_message","payload":{"text":"hi"}}',
    '{"type":"list","payload":[1,2]}',
    "hello",
  ]);
  assert.deepEqual([...heard[3]], [1]);
  assert.deepEqual(
    all.slice(0, 7).map(({ type, payload }) => [type, payload]),
    [
      ["welcome", { clientId: 7 }],
      ["ticker", { symbol: "X" }],
      ["raw", '{"no":"type"}'],
      ["raw", "[1"],
      ["raw", new Uint8Array([0, 255])],
      ["chat_message", { text: "hi" }],
      ["list", [1, 2]],
    ],
  );
  assert.equal(client.rtt, rtts[0]);
  assert.equal(client.stats.unconfirmed, null);
  assert.deepEqual([client.clientId, client.transport], [null, "websocket"]);
  await client.flush();
});

test("plain client queues while offline, reconnects, and sends in order", async (t) => {
  const first = await startServer(t);
  const client = plain(t, first.url);
  await client.send("n", 0);
  await until(() => first.heard.length === 1);
  await first.stop();
  await until(() => client.state === "reconnecting");
  for (const n of [1, 2, 3]) await client.send("n", n);
  const second = await startServer(t, { port: new URL(first.url).port });
  await until(() => second.heard.length === 3);
  assert.deepEqual(second.heard.map((said) => JSON.parse(said).payload), [1, 2, 3]);
  assert.equal(client.stats.reconnects, 1);
});

test("plain client stops retrying after its last attempt", async (t) => {
  const { url, stop } = await startServer(t);
  await stop();
  const client = plain(t, url, { backoff: { base: 5, max: 10, attempts: 2 } });
  await assert.rejects(client.waitOpen(), ClientClosed);
  assert.equal(client.stats.attempts, 3);
});

test("plain client disconnects from a silent server only if the server has answered pings before", async () => {
  for (const answers of [true, false]) {
    const clock = new FakeClock();
    const hub = new FakeHub();
    hub.answers = answers;
    const client = hub.connect(clock, {
      protocol: "plain",
      fallback: undefined,
      heartbeatInterval: 1_000,
      heartbeatTimeout: 500,
    });
    await client.waitOpen();
    await settle();
    assert.equal(client.rtt, answers ? 0 : null);
    hub.up = hub.answers = false;
    await clock.advance(60_000);
    assert.equal(client.state, answers ? "reconnecting" : "open");
  }
});

test("ping can be another text, or switched off", async () => {
  const clock = new FakeClock();
  const hub = new FakeHub();
  const written = [];
  const { WebSocket: Socket } = hub;
  class Listening extends Socket {
    send(data) {
      written.push(data);
    }
  }
  const given = { protocol: "plain", fallback: undefined, WebSocket: Listening };
  const asking = hub.connect(clock, { ...given, ping: { send: "?", answer: "!" } });
  await asking.waitOpen();
  await settle();
  const heard = [];
  asking.on("*", ({ payload }) => heard.push(payload));
  for (const data of ["!", "!", "pong"]) hub.socket.onmessage({ data });
  assert.deepEqual([written, asking.rtt, heard], [["?"], 0, ["!", "pong"]]);
  const silent = hub.connect(clock, { ...given, ping: null });
  await silent.waitOpen();
  await clock.advance(600_000);
  assert.equal(silent.rtt, null);
  assert.equal(written.filter((data) => data !== "?").length, 0);
  await silent.send("a");
  assert.equal(written.at(-1), '{"type":"a","payload":{}}');
});

for (const [code, back] of [
  [1000, true],
  [1008, false],
  [4001, true],
  [4500, true],
]) {
  test(`plain client ${back ? "reconnects" : "stops retrying"} after close code ${code}`, async () => {
    const clock = new FakeClock();
    const hub = new FakeHub();
    const client = hub.connect(clock, { protocol: "plain", fallback: undefined, ping: null });
    await client.waitOpen();
    hub.socket.end(code);
    await clock.advance(2_000);
    assert.equal(hub.sockets.length, back ? 2 : 1);
  });
}

test("plain client refuses features of a hub", async (t) => {
  const { url } = await startServer(t);
  const client = plain(t, url);
  for (const call of [
    () => client.request("x"),
    () => client.join("a"),
    () => client.sendFile(new Blob(["x"]), { name: "x" }),
    () => client.publish("a", 1, { ack: true }),
    async () => client.subscribe("news"),
    async () => client.leave("a"),
  ]) {
    await assert.rejects(call, { name: "OptionError", message: /needs a hub/ });
  }
  for (const given of [{ name: "a" }, { token: "t" }, { info: 1 }, { fallback: true }]) {
    assert.throws(() => plain(t, url, given), { name: "OptionError", message: /for a hub/ });
  }
  for (const given of [{ ping: { send: 3 } }, { protocol: "mqtt" }, { backoff: { jitter: 2 } }]) {
    assert.throws(() => plain(t, url, given), OptionError);
  }
  assert.throws(() => connect(url, { WebSocket, ping: null }), { message: /protocol: 'plain'/ });
  await assert.rejects(client.send("x", { a: NaN }), OptionError);
  await assert.rejects(client.sendRaw({}), OptionError);
});

test("plain client collects messages with `batch`, and sends a single one unbatched", async (t) => {
  const { heard, url } = await startServer(t);
  const client = plain(t, url, { batch: { size: 2, delay: 10 } });
  await client.send("a", 1);
  await client.send("b", { x: 2 });
  await until(() => heard.length === 1);
  await client.send("c");
  await until(() => heard.length === 2);
  const messages = [{ type: "a", payload: 1 }, { type: "b", payload: { x: 2 } }];
  assert.deepEqual(JSON.parse(heard[0]), { type: "batch", payload: { messages } });
  assert.deepEqual(JSON.parse(heard[1]), { type: "c", payload: {} });
});
