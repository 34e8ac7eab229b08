/** The browser client agrees with its TypeScript types and its page in the docs. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import * as rtmon from "../../rtmon/web/rtmon.js";
import { complete } from "../../rtmon/web/client/options.js";

test("types declare exactly the exported names", async () => {
  const types = await readFile(new URL("../../rtmon/web/rtmon.d.ts", import.meta.url), "utf8");
  const found = (text, expression) => [...new Set([...text.matchAll(expression)].map((m) => m[1]))];
  const exported = found(types, /^export (?:class|function) (\w+)/gm);
  assert.deepEqual(Object.keys(rtmon).sort(), [...exported, "MESSAGE_TYPES"].sort());
  const [block] = /^export class Client [^]*?^}/m.exec(types);
  const members = found(block, /^  (?:readonly )?(\w+)[(:<]/gm);
  const own = Object.getOwnPropertyNames(rtmon.Client.prototype);
  assert.deepEqual(own.filter((name) => name !== "constructor").sort(), members.sort());
});

test("types and docs have every option with its default", async () => {
  const read = (path) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
  const [types, docs] = await Promise.all([read("rtmon/web/rtmon.d.ts"), read("docs/browser.md")]);
  for (const [name, value] of Object.entries(complete({}))) {
    assert.match(types, new RegExp(`^  ${name}\\?: `, "m"));
    const row = docs.split("\n").find((line) => line.split("|")[1]?.includes(`\`${name}\``));
    if (value !== undefined && typeof value !== "object") assert.ok(row.includes(value), row);
  }
});
