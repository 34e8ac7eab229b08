/**
 * Typical clients written without rtmon, which use the common features of a hub in Node and browsers.
 *
 * Each usage is a function that throws an error when the hub does not behave as the client expects.
 */

const PATIENCE = 10_000;

/** A client with a handler for each message type, which reconnects after growing delays. */
export class TypedClient {
  handlers = new Map();
  all = [];
  attempt = 0;
  latency = null;
  #ended = false;
  #beat = null;

  constructor(url, { wait = 20, most = 5, beat = null } = {}) {
    Object.assign(this, { url, wait, most, beat });
    this.#open();
  }

  #open() {
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve) => this.socket.addEventListener("open", resolve));
    this.socket.addEventListener("open", () => {
      this.attempt = 0;
      if (this.beat !== null) this.#beat = setInterval(() => this.#ping(), this.beat);
    });
    this.socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    this.socket.addEventListener("error", () => {});
    this.socket.addEventListener("close", () => {
      clearInterval(this.#beat);
      if (this.#ended || this.attempt >= this.most) return;
      this.attempt += 1;
      setTimeout(() => this.#open(), this.wait * 2 ** (this.attempt - 1));
    });
  }

  #ping() {
    this.send("ping", { timestamp: performance.now() });
  }

  #take(message) {
    this.all.push(message);
    if (message.type === "pong") this.latency = performance.now() - message.payload.timestamp;
    this.handlers.get(message.type)?.(message.payload, message);
  }

  on(type, handler) {
    this.handlers.set(type, handler);
  }

  send(type, payload, more = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ type, payload, ...more }));
    return true;
  }

  close() {
    this.#ended = true;
    this.socket.close(1000, "done");
  }

  /** Wait until a message of this type that matches has arrived; return its payload. */
  async heard(type, fits = () => true) {
    const find = () => this.all.find((each) => each.type === type && fits(each.payload, each));
    await until(find, `${type}; there is ${this.all.map((each) => each.type)}`);
    return find().payload;
  }
}

/** Adds channels to a client: one callback per channel, for messages `{type: "pubsub", channel}`. */
class Channels {
  callbacks = new Map();

  constructor(client) {
    this.client = client;
    client.on("pubsub", (payload, { channel }) => {
      for (const callback of this.callbacks.get(channel) ?? []) callback(payload);
    });
  }

  subscribe(channel, callback) {
    const others = this.callbacks.get(channel) ?? new Set();
    this.callbacks.set(channel, others.add(callback));
    this.client.send("subscribe", { channel });
    return () => {
      others.delete(callback);
      this.client.send("unsubscribe", { channel });
    };
  }

  publish(channel, data) {
    this.client.send("publish", { channel, data });
  }
}

async function until(condition, what) {
  const end = performance.now() + PATIENCE;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`this did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function equal(one, other) {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

async function opened(url, options) {
  const client = new TypedClient(url, options);
  await client.opened;
  return client;
}

async function pair(url) {
  const [ada, bo] = [await opened(url), await opened(url)];
  return [ada, bo, (await bo.heard("welcome")).client_id];
}

export const usages = {
  async "rooms and chat by type"({ url }) {
    const [ada, bo] = await pair(url);
    await ada.heard("user_joined");
    for (const each of [ada, bo]) each.send("join_room", { roomId: "general" });
    await bo.heard("ack", ({ room }) => room === "general");
    ada.send("chat_message", { text: "to all", timestamp: Date.now() });
    equal((await bo.heard("chat_message")).text, "to all");
    await ada.heard("ack", ({ room }) => room === "general");
    bo.send(
      "chat_message",
      { text: "to the room", userId: "user_123", roomId: "general" },
      { id: "msg_1", timestamp: 1, metadata: { version: "1.0", source: "web_client" } },
    );
    equal((await ada.heard("room_message")).text, "to the room");
    bo.close();
    await ada.heard("user_left");
    ada.close();
  },

  async "private messages by either spelling"({ url }) {
    const [ada, bo, id] = await pair(url);
    ada.send("private_message", { targetClientId: id, text: "one" });
    ada.send("private_message", { target_client_id: id, text: "two" });
    for (const said of ["one", "two"]) await bo.heard("private_message", ({ text }) => text === said);
    ada.close();
    bo.close();
  },

  async "heartbeat and latency"({ url }) {
    const client = await opened(url, { beat: 10 });
    await until(() => client.latency !== null, "a pong");
    if (!(client.latency >= 0 && client.latency < PATIENCE)) throw new Error(`${client.latency}`);
    client.close();
  },

  async "coming back after the connection is lost"({ url }) {
    const client = await opened(url);
    const { client_id: first } = await client.heard("welcome");
    client.socket.close(4000, "as if it were lost");
    await client.heard("welcome", ({ client_id: id }) => id !== first);
    client.send("chat_message", { text: "back" });
    equal((await client.heard("chat_message")).text, "back");
    client.close();
  },

  async "channels in the shape of pubsub"({ url }) {
    const [hearing, saying] = [await opened(`${url}?shape=pubsub`), await opened(url)];
    const [one, other] = [new Channels(hearing), new Channels(saying)];
    const got = [];
    const stop = one.subscribe("news", (data) => got.push(data));
    await hearing.heard("ack", ({ channel }) => channel === "news");
    other.publish("news", { n: 1 });
    saying.send("pubsub", [2], { channel: "news" });
    await until(() => got.length === 2, "two publications");
    equal(got, [{ n: 1 }, [2]]);
    stop();
    hearing.send("presence", { channel: "news" });
    equal((await hearing.heard("presence")).members, []);
    hearing.close();
    saying.close();
  },

  async "messages in batches"({ url }) {
    const client = await opened(url);
    const messages = ["Hello", "World"].map((text) => ({ type: "chat_message", payload: { text } }));
    client.send("batch", { messages });
    await client.heard("chat_message", ({ text }) => text === "World");
    client.close();
  },

  async "JSON in a binary message, and a file in chunks of numbers"({ url }) {
    const client = await opened(url);
    const bytes = new TextEncoder().encode('{"type":"chat_message","payload":{"text":"binary"}}');
    client.socket.send(bytes.buffer);
    equal((await client.heard("chat_message")).text, "binary");
    const file = Uint8Array.from({ length: 40_000 }, (_, at) => at % 256);
    client.send("file_metadata", { name: "a.bin", type: "image/png", size: file.length });
    const totalChunks = Math.ceil(file.length / 16_384);
    for (let chunkIndex = 0; chunkIndex < totalChunks; chunkIndex += 1) {
      const data = [...file.slice(chunkIndex * 16_384, (chunkIndex + 1) * 16_384)];
      client.send("file_chunk", { chunkIndex, totalChunks, data });
    }
    equal((await client.heard("file_done")).size, file.length);
    client.close();
  },

  async "errors are answered, and end nothing"({ url }) {
    const client = await opened(url);
    client.socket.send("{");
    client.send("dance", {});
    await client.heard("error", ({ code }) => code === "invalid_message");
    await client.heard("error", ({ code }) => code === "unknown_type");
    client.close();
  },

  async "a flood is told to slow down"({ limited }) {
    const client = await opened(limited);
    for (let number = 0; number < 10; number += 1) client.send("chat_message", { text: "again" });
    const { message, retry_after: wait } = await client.heard("error");
    if (!(wait > 0 && message.includes("too much"))) throw new Error(message);
    client.close();
  },

  async "a token in the address"({ limited, token }) {
    const client = await opened(`${limited}?token=${token}`);
    equal((await client.heard("welcome")).user, "u1");
    client.close();
  },

  async "events of a stream"({ site, url }) {
    const stream = new EventSource(`${site}/events?channel=news`);
    const next = (type) =>
      new Promise((resolve) => stream.addEventListener(type, ({ data }) => resolve(JSON.parse(data))));
    await next("welcome");
    const news = next("publication");
    const saying = await opened(url);
    await until(() => saying.send("publish", { channel: "news", data: "rain" }), "sending");
    equal((await news).payload.data, "rain");
    stream.close();
    saying.close();
  },
};

/** Run all usages one after another; return their number, and a list of those that failed. */
export async function run(place) {
  const failed = [];
  for (const [name, usage] of Object.entries(usages)) {
    try {
      await usage(place);
    } catch (error) {
      failed.push(`${name}: ${error.message}`);
    }
  }
  return { done: Object.keys(usages).length, failed };
}
