/** A simulated bad network on a fake clock: links are slow and cut at random moments. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../rtmon/web/rtmon.js";
import { FakeClock } from "./fakes.mjs";

const MESSAGES = 150;

/** Seeds. The last one found a fault: the answer to a withdrawn request confirmed a subscription. */
const SEEDS = [...Array(25).keys(), 104];

/** Pseudo-random numbers from 0 to 1, by the generator mulberry32 of Tommy Ettinger. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A hub with history and deduplication, behind slow links. */
class Hub {
  links = new Set();
  published = [];
  #clock;
  #random;
  #number = 0;
  #known = new Map();

  constructor(clock, random) {
    this.#clock = clock;
    this.#random = random;
  }

  get WebSocket() {
    const hub = this;
    return class {
      bufferedAmount = 0;

      constructor() {
        hub.#accept(this);
      }

      send(data) {
        hub.#later(this.link, "up", () => hub.#take(this.link, JSON.parse(data)));
      }

      close() {
        hub.links.delete(this.link);
      }
    };
  }

  /** Cut all links: messages under way are lost, and the client notices some time later. */
  cut(which) {
    for (const link of [...this.links].filter(which)) {
      this.links.delete(link);
      const told = () => link.socket.onclose?.({ code: 1006, reason: "" });
      this.#clock.setTimeout(told, this.#random() * 300);
    }
  }

  #accept(socket) {
    this.#number += 1;
    const sender = `s${this.#number}`;
    const link = { socket, sender, up: 0, down: 0, subscribed: false };
    socket.link = link;
    this.links.add(link);
    this.#later(link, "down", () => socket.onopen());
    const limits = { rate: 200, message_size: 131_072 };
    const who = { client_id: sender, session: sender };
    this.#say(link, "welcome", { ...who, epoch: "e", offset: 0, limits });
  }

  #later(link, way, call) {
    link[way] = Math.max(link[way], this.#clock.now() + this.#random() * 60);
    const arrive = () => this.links.has(link) && call();
    this.#clock.setTimeout(arrive, link[way] - this.#clock.now());
  }

  #say(link, type, payload, replyTo) {
    const data = JSON.stringify({ id: "h", type, payload, reply_to: replyTo });
    this.#later(link, "down", () => link.socket.onmessage({ data }));
  }

  #publication(offset) {
    return { channel: "news", epoch: "e", offset, data: this.published[offset - 1] };
  }

  #take(link, { id, type, payload }) {
    if (type === "batch") for (const each of payload.messages) this.#take(link, each);
    if (type === "ping") this.#say(link, "pong", {}, id);
    if (type === "connect") {
      link.sender = payload.session ?? link.sender;
      this.#say(link, "welcome", { client_id: "c", session: "s", epoch: "e", offset: 0 }, id);
    }
    if (type === "unsubscribe") {
      link.subscribed = false;
      this.#say(link, "ack", { channel: "news" }, id);
    }
    if (type === "subscribe") this.#subscribe(link, id, payload);
    if (type === "publish") this.#publish(link, id, payload);
  }

  #subscribe(link, id, { since }) {
    const position = { channel: "news", epoch: "e", offset: this.published.length };
    const missed = since !== undefined && !link.subscribed;
    this.#say(link, "ack", { ...position, recovered: missed ? true : undefined }, id);
    if (missed) {
      for (let offset = since.offset + 1; offset <= this.published.length; offset += 1) {
        this.#say(link, "publication", this.#publication(offset));
      }
    }
    link.subscribed = true;
  }

  #publish(link, id, { data, ack }) {
    const key = `${link.sender} ${id}`;
    if (!this.#known.has(key)) {
      this.published.push(data);
      this.#known.set(key, this.published.length);
      for (const each of this.links) {
        if (each.subscribed) this.#say(each, "publication", this.#publication(this.published.length));
      }
    }
    if (ack) this.#say(link, "ack", { epoch: "e", offset: this.#known.get(key) }, id);
  }
}

async function run(seed) {
  const clock = new FakeClock();
  const random = chance(seed);
  const hub = new Hub(clock, random);
  const open = (options) =>
    connect("ws://hub.test", {
      WebSocket: hub.WebSocket,
      fallback: false,
      clock,
      random,
      queueAge: 3_600_000,
      requestTimeout: 3_600_000,
      backoff: { base: 100, max: 1_000 },
      ...options,
    });
  const pause = (most) => new Promise((resolve) => clock.setTimeout(resolve, random() * most));

  const sender = open({ batch: seed % 3 === 0 ? { size: 7, delay: 50 } : null });
  const reader = open({ buffer: 5 });
  const [heard, read, positions] = [[], [], []];
  let gaps = 0;
  const news = reader.subscribe("news", ({ payload, gap }) => {
    heard.push(payload);
    gaps += gap;
  });
  const reading = (async () => {
    for await (const { payload, gap } of reader.subscribe("news")) {
      read.push(payload);
      gaps += gap;
      if (read.length === MESSAGES) return;
      await pause(40);
    }
  })();
  const sending = (async () => {
    await news.entered();
    await pause(1_000);
    for (let number = 1; number <= MESSAGES; number += 1) {
      if (random() < 0.2) await pause(200);
      if (random() < 0.3) positions.push(sender.publish("news", number, { ack: true }));
      else await sender.publish("news", number);
    }
  })();

  let over = false;
  Promise.all([reading, sending]).then(() => {
    over = true;
  });
  for (let step = 0; !over && step < 2_000; step += 1) {
    await clock.advance(random() * 300);
    // Messages are only confirmed while the link is not cut for some time.
    if (random() < 0.15 && step < 1_000) hub.cut(() => random() < 0.7);
  }
  const all = Array.from({ length: MESSAGES }, (_, i) => i + 1);
  const why = `with seed ${seed}`;
  assert.deepEqual(hub.published, all, `published once and in order ${why}`);
  assert.deepEqual(heard, all, `heard once and in order ${why}`);
  assert.deepEqual(read, all, `read once and in order ${why}`);
  assert.equal(gaps, 0, why);
  const offsets = (await Promise.all(positions)).map(({ offset }) => offset);
  assert.ok(offsets.every((offset, i) => i === 0 || offset > offsets[i - 1]), why);
  return { reconnects: sender.stats.reconnects + reader.stats.reconnects, resent: sender.stats.resent };
}

test("every message arrives once and in order, both ways, when the link is cut at any moment", async () => {
  let [reconnects, resent] = [0, 0];
  for (const seed of SEEDS) {
    const stats = await run(seed);
    reconnects += stats.reconnects;
    resent += stats.resent;
  }
  assert.ok(reconnects > SEEDS.length && resent > SEEDS.length, `${reconnects} ${resent}`);
});
