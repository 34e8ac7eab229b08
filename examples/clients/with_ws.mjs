// A client of a hub, with Node and the `ws` package.
//
// Run: cd examples && npm install && node clients/with_ws.mjs ws://127.0.0.1:8765
import { WebSocket } from "ws";

const socket = new WebSocket(process.argv[2] ?? "ws://127.0.0.1:8765");
const send = (type, payload) => socket.send(JSON.stringify({ type, payload }));

socket.on("open", () => {
  send("connect", { name: "ws" });
  send("chat_message", { text: "hello" });
});
socket.on("message", (data) => {
  const { type, payload } = JSON.parse(data);
  console.log(type, payload.text ?? "");
  if (type === "chat_message") socket.close();
});
socket.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
