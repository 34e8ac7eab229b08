// A client of a hub that `rtmon serve --asgi` serves, with Node and `socket.io-client`. The names of
// Socket.IO events are the hub's message types.
//
// Run: cd examples && npm install && node clients/with_socketio.mjs http://127.0.0.1:8765
import { io } from "socket.io-client";

const socket = io(process.argv[2] ?? "http://127.0.0.1:8765", { auth: { name: "socket.io" } });

socket.onAny((type, message) => {
  console.log(type, message.payload.text ?? "");
  if (type === "welcome") socket.emit("chat_message", { text: "hello" });
  if (type === "chat_message") socket.disconnect();
});
socket.on("connect_error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
  socket.disconnect();
});
