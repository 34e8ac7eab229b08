/** A hub behind a fault proxy: see place.py. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "../peers/node_modules/ws/wrapper.mjs";
import { connect } from "../../rtmon/web/rtmon.js";

const SCRIPT = fileURLToPath(new URL("place.py", import.meta.url));

/** Start the process; `place.cut()` and others are commands of place.py. One serves a whole file. */
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
    /** A client behind the proxy, which reconnects quickly, and is closed when its test ends. */
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

/** Wait until a condition holds; the test's own timeout bounds it. */
export async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
