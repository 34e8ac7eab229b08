/**
 * A publisher in its own process: `node publisher.mjs URL TYPE COUNT WAY`, where WAY is
 * `websocket`, `batch` or `sse`. The publisher sends COUNT numbers without waiting for answers,
 * and ends when the server has all of them.
 */

import { WebSocket } from "../peers/node_modules/ws/wrapper.mjs";
import { eventStreamTransport } from "../../rtmon/web/client/sse.js";
import { connect } from "../../rtmon/web/rtmon.js";

const [url, type, count, way] = process.argv.slice(2);
const options = { name: "publisher", WebSocket };
if (way === "sse") options.transport = eventStreamTransport(url);
if (way === "batch") options.batch = { size: 20, delay: 5 };
const client = connect(url, options);
await client.waitOpen();
if (type === "room_message") await client.join("tea");
for (let number = 0; number < Number(count); number += 1) {
  const text = `${number}`;
  const payloads = {
    publish: { channel: "news", data: text },
    chat_message: { text },
    room_message: { room: "tea", text },
  };
  await client.send(type, payloads[type]);
  await new Promise((resolve) => setTimeout(resolve, 2));
}
await client.flush();
await client.close();
