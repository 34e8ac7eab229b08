/** Receiving: each message once and in order, and a report of every loss. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { beforeEach, test } from "node:test";
import * as rtmon from "../../rtmon/web/rtmon.js";
import { matcher } from "../../rtmon/web/client/positions.js";
import { FakeClock, FakeHub, settle } from "./fakes.mjs";

let clock;
let hub;

beforeEach(() => {
  clock = new FakeClock();
  hub = new FakeHub();
});

const open = (options) => hub.open(clock, options);

async function again() {
  hub.socket.end(1006);
  await clock.advance(1_000);
}

/** Subscribe to a channel; return the subscription and `[data, gap]` of each received message. */
async function listen(client, channel, options) {
  const got = [];
  const news = client.subscribe(channel, ({ payload, gap }) => got.push([payload, gap]), options);
  await news.entered();
  return { news, got };
}

test("subscription recovers from its position, and drops duplicates", async () => {
  const client = await open();
  const { news, got } = await listen(client, "news");
  hub.publish("news", "a");
  hub.publish("news", "b");
  await again();
  assert.deepEqual(hub.of("subscribe")[1].payload.since, { epoch: "first", offset: 2 });
  hub.publish("news", "b", 2);
  hub.publish("news", "c", 3);
  assert.deepEqual(got, [["a", false], ["b", false], ["c", false]]);
  assert.deepEqual([news.position.offset, client.stats.duplicates, client.stats.gaps], [3, 1, 0]);
});

test("only the first message after a loss reports the gap", async () => {
  const client = await open();
  const { got } = await listen(client, "news");
  hub.publish("news", "a");
  hub.recovered = false;
  await again();
  hub.publish("news", "d", 4);
  hub.publish("news", "e");
  hub.publish("news", "h", 8);
  assert.deepEqual(got, [["a", false], ["d", true], ["e", false], ["h", true]]);
  assert.equal(client.stats.gaps, 2);
});

test("subscription reports a gap that the server announces, and the connection stays", async () => {
  const client = await open();
  const { got } = await listen(client, "news");
  const heard = [];
  await client.join("work");
  client.on("room_message", ({ payload, gap }) => heard.push([payload.text, gap]));
  hub.publish("news", "a");
  hub.say("room_message", { room: "work", text: "a", epoch: "first", offset: 1 });
  hub.say("gap", { channel: "news", epoch: "other", offset: 7, recovered: false });
  hub.say("gap", { room: "work", epoch: "first", offset: 9, recovered: false });
  hub.say("gap", { room: "elsewhere", epoch: "first", offset: 9, recovered: false });
  hub.epoch = "other";
  hub.publish("news", "h", 8);
  hub.publish("news", "i");
  for (const [text, offset] of [["b", 8], ["c", 9]]) {
    hub.say("room_message", { room: "work", text, epoch: "first", offset });
  }
  assert.deepEqual(got, [["a", false], ["h", true], ["i", false]]);
  assert.deepEqual(heard, [["a", false], ["b", true], ["c", false]]);
  assert.deepEqual([client.stats.gaps, client.stats.reconnects], [2, 0]);
});

test("subscription reports a gap when the server has restarted and counts anew", async () => {
  const client = await open();
  const { got } = await listen(client, "news");
  for (const data of "abc") hub.publish("news", data);
  Object.assign(hub, { epoch: "second", offsets: {}, recovered: false });
  await again();
  hub.publish("news", "x");
  assert.deepEqual(got.at(-1), ["x", true]);
});

test("subscription reports a gap when its position never existed", async () => {
  const client = await open();
  const got = [];
  hub.instead.subscribe = (envelope, answer) => {
    delete hub.instead.subscribe;
    answer("error", { code: "invalid_position", message: "Never." });
  };
  const since = { epoch: "first", offset: 99 };
  const news = client.subscribe("news", (message) => got.push(message.gap), { since });
  await news.entered();
  hub.publish("news", "a");
  hub.publish("news", "b");
  assert.deepEqual([got, client.stats.gaps], [[true, false], 1]);
});

test("pattern subscription reports a possible gap after a reconnect", async () => {
  const client = await open();
  const { got } = await listen(client, "news.*");
  hub.publish("news.sport", "a");
  hub.publish("news.art", "b");
  hub.publish("weather.now", "not wanted");
  await again();
  hub.publish("news.sport", "c");
  hub.publish("news.sport", "d");
  assert.deepEqual(got, [["a", false], ["b", false], ["c", true], ["d", false]]);
  assert.equal(hub.of("subscribe")[1].payload.since, undefined);
});

test("pattern matches the same channels as in Python", async () => {
  const cases = new URL("../protocol/channel_matching.json", import.meta.url);
  for (const [pattern, channel, matches] of JSON.parse(await readFile(cases, "utf8"))) {
    assert.equal(matcher(pattern)(channel), matches, `${pattern} ${channel}`);
  }
});

test("client with two subscriptions to a channel is subscribed once at the server until both have ended", async () => {
  const client = await open();
  const one = await listen(client, "news");
  const two = await listen(client, "news");
  hub.publish("news", "a");
  one.news.close();
  hub.publish("news", "b");
  assert.deepEqual([one.got.length, two.got.length], [1, 2]);
  assert.deepEqual([hub.of("subscribe").length, hub.of("unsubscribe").length], [1, 0]);
  two.news.close();
  assert.equal(hub.of("unsubscribe").length, 1);
});

test("refused subscription rejects with the reason", async () => {
  const client = await open();
  hub.instead.subscribe = (envelope, answer) => {
    answer("error", { code: "invalid_channel", message: "No." });
  };
  const news = client.subscribe("news.");
  await assert.rejects(news.entered(), rtmon.ProtocolError);
  await assert.rejects(news[Symbol.asyncIterator]().next(), rtmon.ProtocolError);
});

test("slow subscriber gets every message from the server's history", async () => {
  const client = await open({ buffer: 2 });
  const news = client.subscribe("news");
  await news.entered();
  let handled = 0;
  client.on("publication", () => {
    handled += 1;
  });
  for (const data of "abcd") hub.publish("news", data);
  const reader = news[Symbol.asyncIterator]();
  const read = async () => {
    const { value } = await reader.next();
    return [value.payload, value.gap];
  };
  assert.deepEqual([await read(), await read()], [["a", false], ["b", false]]);
  const next = read();
  await settle();
  assert.deepEqual(hub.of("subscribe").at(-1).payload.since, { epoch: "first", offset: 2 });
  hub.publish("news", "c", 3);
  hub.publish("news", "d", 4);
  assert.deepEqual([await next, await read()], [["c", false], ["d", false]]);
  assert.equal(handled, 4, "handlers were told before");
  await client.close();
  assert.deepEqual(await reader.next(), { value: undefined, done: true });
});

test("iteration over the client gives every message from the welcome on", async () => {
  const client = hub.connect(clock);
  await client.waitOpen();
  const types = [];
  const reading = (async () => {
    for await (const { type } of client) types.push(type);
  })();
  hub.say("user_joined", { count: 1 });
  await settle();
  await client.close();
  await reading;
  assert.deepEqual(types, ["welcome", "user_joined"]);
});

test("iteration throws when the client stops retrying", async () => {
  const client = await open();
  const reading = (async () => {
    for await (const message of client) assert.ok(message);
  })();
  hub.socket.end(4500);
  await assert.rejects(reading, rtmon.ClientClosed);
});

test("client joins its rooms again from their positions after a reconnect, and not those that it left", async () => {
  const client = await open();
  const heard = [];
  client.on("room_message", ({ payload, gap }) => heard.push([payload.text, gap]));
  await client.join("work");
  hub.say("room_message", { room: "work", text: "a", epoch: "first", offset: 1 });
  // The client's own messages have an offset, too, and need not be echoed.
  hub.say("room_message", { room: "work", text: "b", epoch: "first", offset: 3 });
  await again();
  assert.deepEqual(hub.of("join_room")[1].payload.since, { epoch: "first", offset: 3 });
  hub.say("room_message", { room: "work", text: "b", epoch: "first", offset: 3 });
  assert.deepEqual(heard, [["a", false], ["b", false]]);
  client.leave("work");
  await again();
  assert.deepEqual([hub.of("leave_room").length, hub.of("join_room").length], [1, 2]);
});

test("handlers are called in order, and one that throws stops no other", async (t) => {
  const reported = t.mock.method(console, "error", () => {});
  const client = await open();
  const calls = [];
  client.on("notification", () => calls.push(1));
  client.on("notification", () => {
    throw new Error("a mistake of the page's");
  });
  const off = client.on("notification", () => calls.push(2));
  client.on("*", ({ type }) => calls.push(type));
  hub.say("notification", { title: "hi" });
  off();
  hub.say("notification", { title: "hi" });
  assert.deepEqual(calls, [1, 2, "notification", 1, "notification"]);
  assert.equal(reported.mock.callCount(), 2);
});

test("client splits batches of the server, and receives binary data as bytes", async () => {
  const client = await open({ serverBatch: { size: 20, delay: 50 } });
  assert.deepEqual(hub.of("connect")[0].payload.batch, { size: 20, delay: 0.05 });
  const { got } = await listen(client, "news");
  const publication = (offset, more) => ({
    type: "publication",
    payload: { channel: "news", epoch: "first", offset, ...more },
  });
  hub.say("batch", {
    messages: [publication(1, { data: "a" }), publication(2, { data: "AAH/", encoding: "base64" })],
  });
  assert.deepEqual(got, [["a", false], [new Uint8Array([0, 1, 255]), false]]);
});

test("client survives any message of the server", async () => {
  const client = await open();
  const { got } = await listen(client, "news");
  let problems = 0;
  client.onError(() => {
    problems += 1;
  });
  const values = [null, 1, "", "x", [], {}, true, [{}], { type: 1 }, { offset: -1, epoch: {} }, 1e999];
  const types = ["welcome", "batch", "error", "ack", "publication", "file_chunk", "pong", "disconnect"];
  for (const type of [...types, "constructor", "__proto__", 5, null]) {
    for (const payload of values) {
      for (const inner of values) {
        const odd = { type, payload, reply_to: inner, id: inner };
        if (payload !== null && typeof payload === "object") {
          for (const key of ["channel", "file", "messages", "data", "encoding", "code", "offset"]) {
            odd.payload = { ...payload, [key]: inner };
            hub.socket.onmessage({ data: JSON.stringify(odd) });
          }
        } else hub.socket.onmessage({ data: JSON.stringify(odd) });
      }
    }
  }
  for (const data of ["", "{", "null", "\u0000", '{"type":"x"}'.repeat(2)]) hub.socket.onmessage({ data });
  for (const size of [0, 1, 2, 9, 30]) {
    for (const first of [0, 1, 2, 255]) {
      const data = new Uint8Array(size).fill(200);
      if (size > 0) data[0] = first;
      hub.socket.onmessage({ data: data.buffer });
    }
  }
  assert.ok(problems > 100);
  hub.publish("news", "still here");
  assert.deepEqual(got, [["still here", false]]);
});

test("slow iteration over the client reports where messages are missing", async () => {
  const client = await open({ buffer: 5 });
  const reader = client[Symbol.asyncIterator]();
  assert.equal((await reader.next()).value.type, "welcome");
  const say = (count) => {
    for (let number = 1; number <= count; number += 1) hub.publish("news", number);
  };
  const read = async (count) => {
    const got = [];
    for (let number = 0; number < count; number += 1) {
      const { payload, gap } = (await reader.next()).value;
      got.push([payload.data, gap]);
    }
    return got;
  };
  say(5);
  assert.deepEqual(await read(5), [1, 2, 3, 4, 5].map((number) => [number, false]));
  say(8);
  const late = [4, 5, 6, 7, 8].map((number) => [number, number === 4]);
  assert.deepEqual(await read(5), late);
  assert.equal(client.stats.dropped, 3);
});

test("iteration over the client buffers as many messages as that of a subscription", async () => {
  const client = await open();
  const reader = client[Symbol.asyncIterator]();
  await reader.next();
  for (let number = 1; number <= 3_000; number += 1) hub.publish("news", number);
  assert.equal((await reader.next()).value.payload.data, 1);
  assert.equal(client.stats.dropped, 0);
});
