/** The meaning of close codes is the same as in rtmon/protocol/close.py. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, mayReconnect } from "../../rtmon/web/client/close_codes.js";

test("private close code has the same meaning as the standard code that it replaces", () => {
  assert.deepEqual([4101, 4113, 4608, 4609].map(describe), [
    "going away",
    "try again later",
    "policy violation",
    "too big",
  ]);
  assert.deepEqual([4101, 4113, 4608, 4609].map(mayReconnect), [true, true, false, false]);
  const others = ["application, come back", "application, stay away"];
  assert.deepEqual([4100, 4105, 4108].map(describe), Array(3).fill(others[0]));
  assert.deepEqual([4600, 4613, 4615].map(describe), Array(3).fill(others[1]));
});
