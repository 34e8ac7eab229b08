/** The client's transport over server-sent events, used when no WebSocket is possible. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { withFallback } from "../../rtmon/web/client/fallback.js";
import { eventStreamTransport, events } from "../../rtmon/web/client/sse.js";
import { startPlace, until } from "./place.mjs";

const timeout = 120_000;

let place;

before(async () => {
  place = await startPlace({ asgi: true, history: 1_000 });
});

after(() => place?.end());

/** A WebSocket class that fails, as behind a proxy that blocks WebSockets. */
class BlockedWebSocket {
  constructor() {
    BlockedWebSocket.tried += 1;
    setTimeout(() => this.onclose({ code: 1006, reason: "" }), 1);
  }

  static tried = 0;

  close() {}
}

test("client uses an event stream when no WebSocket is possible, also after the connection was cut", { timeout }, async (t) => {
  const [ada, bob] = ["ada", "bob"].map((name) => place.connect(t, { name, WebSocket: BlockedWebSocket }));
  await Promise.all([ada.waitOpen(), bob.waitOpen()]);
  assert.deepEqual([ada.transport, BlockedWebSocket.tried], ["sse", 4]);
  const got = [];
  await bob.subscribe("news", ({ payload, gap }) => got.push([payload, gap])).entered();
  await bob.join("work");
  await ada.join("work");
  for (let number = 0; number < 20; number += 1) {
    await ada.publish("news", number % 10 === 5 ? new Uint8Array([number]) : number);
    if (number % 8 === 6) await place.cut();
  }
  await ada.flush();
  await until(() => got.length >= 20);
  const expected = Array.from({ length: 20 }, (_, i) => (i % 10 === 5 ? new Uint8Array([i]) : i));
  assert.deepEqual(got, expected.map((data) => [data, false]));
  assert.ok(ada.stats.reconnects > 0 && ada.rtt > 0);
  await ada.close();
  assert.equal(ada.state, "closed");
});

test("largest publication arrives over an event stream", { timeout }, async (t) => {
  const client = place.connect(t, { WebSocket: BlockedWebSocket });
  const got = [];
  await client.subscribe("large", ({ payload }) => got.push(payload.length)).entered();
  const size = await place.publish_largest("large");
  await until(() => got.length === 1);
  assert.deepEqual([client.transport, got], ["sse", [size]]);
});

test("file arrives over an event stream", { timeout }, async (t) => {
  const [ada, bob] = [place.connect(t, { WebSocket: BlockedWebSocket }), place.connect(t)];
  await Promise.all([ada.join("work"), bob.join("work")]);
  assert.deepEqual([ada.transport, bob.transport], ["sse", "websocket"]);
  for (const [from, to] of [[ada, bob], [bob, ada]]) {
    const data = randomBytes(600_000);
    const offered = new Promise((resolve) => to.on("file_offer", resolve));
    await from.sendFile(data, { name: "a", room: "work" });
    const blob = await to.receiveFile(await offered);
    assert.equal(Buffer.compare(Buffer.from(await blob.arrayBuffer()), data), 0);
  }
});

test("client reconnects when its event stream is frozen", { timeout }, async (t) => {
  const client = place.connect(t, {
    WebSocket: BlockedWebSocket,
    heartbeatInterval: 200,
    heartbeatTimeout: 400,
  });
  await client.waitOpen();
  const closed = new Promise((resolve) => client.onClose(resolve));
  await place.freeze();
  assert.equal((await closed).reason, "no sign of life for 0.4 s");
  await place.calm();
  await client.waitOpen();
});

/** A fake transport whose attempts end as the test sets; `tried` lists the attempts. */
function trying() {
  const tried = [];
  const open = { ws: false, sse: false };
  const status = { sse: 503 };
  const transport = (name) => ({
    name,
    open: (query, told) => {
      tried.push(name);
      if (open[name]) told.onMessage("{}");
      else told.onClose(1006, "", { status: status[name] });
      return {};
    },
  });
  const both = withFallback(transport("ws"), transport("sse"));
  const attempt = () => both.open({}, { onOpen() {}, onMessage() {}, onClose() {} });
  return { tried, open, status, attempt };
}

test("client alternates WebSocket and stream until a WebSocket has worked", () => {
  const { tried, open, attempt } = trying();
  for (let i = 0; i < 6; i += 1) attempt();
  assert.deepEqual(tried.splice(0), ["ws", "ws", "sse", "ws", "sse", "ws"]);
  open.ws = true;
  for (let i = 0; i < 2; i += 1) attempt();
  open.ws = false;
  for (let i = 0; i < 5; i += 1) attempt();
  assert.deepEqual(tried, ["sse", "ws", "ws", "ws", "ws", "ws", "ws"]);
});

test("client does not request an event stream again from a server that has none", () => {
  const { tried, status, attempt } = trying();
  status.sse = 404;
  for (let i = 0; i < 6; i += 1) attempt();
  assert.deepEqual(tried, ["ws", "ws", "sse", "ws", "ws", "ws"]);
});

test("URL of the event stream is derived from the URL of the WebSocket", async () => {
  for (const [given, asked] of [
    ["ws://hub.test:8765", "http://hub.test:8765/events"],
    ["ws://hub.test/ws", "http://hub.test/events"],
    ["wss://hub.test/live/ws/ada?key=1", "https://hub.test/live/events?key=1&name=ada"],
    ["https://hub.test/live/events", "https://hub.test/live/events"],
  ]) {
    const query = given.includes("key") ? { name: "ada" } : {};
    const url = await new Promise((resolve) => {
      const fetch = async (url) => {
        resolve(url);
        throw new Error("none here");
      };
      eventStreamTransport(given, { fetch }).open(query, { onClose() {} });
    });
    assert.equal(url, asked);
  }
});

test("event stream closes with the HTTP status and the delay of the server's Retry-After header", async () => {
  const answer = { status: 503, headers: { "Retry-After": "7" } };
  const more = await new Promise((resolve) => {
    const fetch = async () => new Response("full", answer);
    const onClose = (code, reason, said) => resolve({ code, reason, ...said });
    eventStreamTransport("http://hub.test", { fetch }).open({}, { onClose });
  });
  assert.deepEqual(more, { code: 1006, reason: "HTTP 503", status: 503, retryAfter: 7_000 });
});

test("server-sent events are parsed however the stream is split", async () => {
  const text = ': hi\n\nid: 1\nevent: x\ndata: {"a":\ndata:1}\n\r\ndata: é\r\n\r\ndata: y\r\rdata: cut off';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size < 12; size += 1) {
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const found = [];
    for await (const data of events(stream)) found.push(data);
    assert.deepEqual(found, ['{"a":\n1}', "é", "y"]);
  }
});
