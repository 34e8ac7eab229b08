/** Tokens of a client: sending, renewal before expiry, and no token in a URL. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OptionError } from "../../rtmon/web/rtmon.js";
import { WebSocket } from "../peers/node_modules/ws/wrapper.mjs";
import { FakeClock, FakeHub, settle } from "./fakes.mjs";
import { startPlace, until } from "./place.mjs";

const timeout = 120_000;

let place;

before(async () => {
  place = await startPlace({ asgi: true, login: true, auth_timeout: 60 });
});

after(() => place?.end());

/** The URL of each connection. */
const asked = [];

class Watched extends WebSocket {
  constructor(url, ...rest) {
    asked.push(url);
    super(url, ...rest);
  }
}

class Blocked {
  constructor() {
    setTimeout(() => this.onclose({ code: 1006, reason: "" }), 1);
  }

  close() {}
}

const WAYS = {
  websocket: { WebSocket: Watched },
  sse: {
    WebSocket: Blocked,
    fetch(url, ...rest) {
      asked.push(`${url}`);
      return fetch(url, ...rest);
    },
  },
};

/** Wait until a client stops retrying; return the code and reason that it reports. */
function gaveUp(client) {
  return new Promise((resolve) => client.onGaveUp(resolve));
}

for (const [way, options] of Object.entries(WAYS)) {
  test(`token function is called for each connection over ${way}, and no URL contains a token`, { timeout }, async (t) => {
    const shown = [];
    const client = place.connect(t, {
      ...options,
      name: "eve",
      token: async () => {
        shown.push(await place.token("ada"));
        return shown.at(-1);
      },
    });
    const welcomed = new Promise((resolve) => client.on("welcome", resolve));
    await client.waitOpen();
    const { payload } = await welcomed;
    assert.deepEqual([client.transport, payload.user, payload.name], [way, "ada", "ada"]);
    const before = shown.length;

    const told = new Promise((resolve) => client.on("token_expiring", resolve));
    await place.expire(20);
    assert.ok((await told).payload.ttl <= 20);
    for (;;) {
      const [[user, left]] = await place.here();
      if (left > 100) {
        assert.equal(user, "ada");
        break;
      }
    }
    assert.equal(shown.length, before + 1);
    assert.equal(client.stats.reconnects, 0);

    const closed = new Promise((resolve) => client.onClose(resolve));
    await place.expire(0);
    assert.equal((await closed).code, 4001);
    await until(() => client.isOpen && client.stats.reconnects === 1);
    assert.ok(shown.length >= before + 2);
    for (const token of shown) {
      for (const address of asked) assert.ok(!address.includes(token.slice(0, 30)), address);
    }
  });

  test(`refused or expired token is sent once over ${way}`, { timeout }, async (t) => {
    const refused = place.connect(t, { ...options, token: "nonsense" });
    assert.equal((await gaveUp(refused)).code, 4500);
    const token = await place.token("bo");
    const client = place.connect(t, { ...options, token });
    const ended = gaveUp(client);
    await client.waitOpen();
    await place.expire(0);
    assert.equal((await ended).code, 4001);
  });
}

test("client without a token stops retrying and reports the reason", { timeout }, async (t) => {
  await place.change({ auth_timeout: 0.5 });
  const client = place.connect(t);
  const { code, reason } = await gaveUp(client);
  assert.deepEqual([code, reason], [4002, "you showed no token within 0.5 s"]);
  await place.change({ auth_timeout: 60 });
});

test("token function that fails is called again, and each failure is reported", { timeout }, async (t) => {
  const answers = [() => Promise.reject(new Error("offline")), () => "no token", () => undefined];
  const client = place.connect(t, {
    token: () => (answers.length > 0 ? answers.shift()() : place.token("ada")),
  });
  const told = [];
  client.onError(({ reason }) => told.push(reason));
  await client.waitOpen();
  assert.equal(told.length, 3);
  assert.equal(told[0], "offline");
  assert.ok(!told[1].includes("no token"), told[1]);
});

test("malformed token raises an error at once, which does not contain the token", () => {
  const hub = new FakeHub();
  for (const token of ["", "a b", "x\n", "ü", 5, null, "x".repeat(8_193)]) {
    assert.throws(
      () => hub.connect(new FakeClock(), { token }),
      (error) => error instanceof OptionError && !error.message.includes(`${token || "x\n"}`),
    );
  }
});

test("client closed while it fetches a token does not connect", async () => {
  const hub = new FakeHub();
  let give;
  const client = hub.connect(new FakeClock(), {
    token: () =>
      new Promise((resolve) => {
        give = resolve;
      }),
  });
  await settle();
  await client.close();
  give("token");
  await settle();
  assert.equal(hub.sockets.length, 0);
});
