// A client of a hub that `rtmon serve --asgi` serves, over server-sent events. It receives messages
// on an event stream and sends them by POST.
//
// Run: cd examples && npm install && node clients/with_eventsource.mjs http://127.0.0.1:8765
import { EventSource } from "eventsource";

const base = process.argv[2] ?? "http://127.0.0.1:8765";
const stream = new EventSource(`${base}/events?name=eventsource`);

stream.addEventListener("welcome", async (event) => {
  const { payload } = JSON.parse(event.data);
  console.log("welcome");
  const answer = await fetch(`${base}/events`, {
    method: "POST",
    headers: { Authorization: `Bearer ${payload.session}` },
    body: JSON.stringify({ type: "chat_message", payload: { text: "hello" } }),
  });
  if (!answer.ok) console.error(answer.status, await answer.text());
});
stream.addEventListener("chat_message", (event) => {
  console.log("chat_message", JSON.parse(event.data).payload.text);
  stream.close();
});
