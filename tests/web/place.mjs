/** A hub behind a fault proxy, in the process that place.py describes. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "../peers/node_modules/ws/wrapper.mjs";
import { connect } from "../../rtmon/web/rtmon.js";

const SCRIPT = fileURLToPath(new URL("place.py", import.meta.url));

/** Start the process for a test file. `place.cut()` and others are commands of place.py. */
export async function startPlace(options = {}) {
  const child = spawn(process.env.PYTHON ?? "python3", [SCRIPT, JSON.stringify(options)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let line = Promise.resolve();
  const command = (...told) => {
    const answer = line.then(async () => {
      child.stdin.write(`${JSON.stringify(told)}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(`place.py ended at ${told}`);
      return JSON.parse(value);
    });
    line = answer.catch(() => {});
    return answer;
  };
  const { url } = await command("enter");
  const place = {
    /** Connect a client through the proxy. It reconnects quickly, and is closed when its test ends. */
    connect(t, given = {}) {
      const backoff = { base: 10, max: 50 };
      const client = connect(url, { WebSocket, backoff, closeTimeout: 1_000, ...given });
      t.after(() => client.close());
      return client;
    },
    async end() {
      const ended = once(child, "exit");
      child.stdin.end();
      await ended;
    },
  };
  return new Proxy(place, {
    get: (known, name) => known[name] ?? (name === "then" ? undefined : command.bind(null, name)),
  });
}

/** Wait until a condition is true; only the test's own timeout limits the wait. */
export async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
