// The chat of chat_class.py, written with Node and `ws`, for comparison.
//
// Run: cd examples && npm install && node servers/node_ws.mjs
import { randomUUID } from "node:crypto";
import { WebSocket, WebSocketServer } from "ws";

const port = Number(process.env.PORT ?? 8765);
const clients = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port, maxPayload: 64 * 1024 });

server.on("connection", (socket) => {
  const clientId = randomUUID();
  clients.set(clientId, socket);
  send(socket, "welcome", { clientId });
  broadcast("user_joined", { clientId, userCount: clients.size }, clientId);

  socket.on("message", (data, isBinary) => {
    let message;
    try {
      message = isBinary ? null : JSON.parse(data);
    } catch {
      message = null;
    }
    if (message === null || typeof message !== "object" || Array.isArray(message)) {
      send(socket, "error", { message: "Send an object with a type." });
    } else {
      handle(clientId, socket, message);
    }
  });
  socket.on("close", () => {
    clients.delete(clientId);
    broadcast("user_left", { clientId, userCount: clients.size });
  });
  socket.on("error", (error) => console.error(clientId, error.message));
});

function handle(clientId, socket, { type, payload }) {
  const text = String(payload?.text ?? "");
  const timestamp = Date.now();
  const target = clients.get(payload?.targetClientId);
  if (type === "chat_message") {
    broadcast("chat_message", { clientId, text, timestamp });
  } else if (type === "private_message" && target !== undefined) {
    send(target, "private_message", { from: clientId, text, timestamp });
  } else {
    send(socket, "error", { message: `There is no ${JSON.stringify(type)} for that.` });
  }
}

function send(socket, type, payload) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type, payload }));
}

function broadcast(type, payload, except = null) {
  const data = JSON.stringify({ type, payload });
  for (const [clientId, socket] of clients) {
    if (clientId !== except && socket.readyState === WebSocket.OPEN) socket.send(data);
  }
}

server.on("listening", () => console.log(`ws://127.0.0.1:${port} chats.`));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    for (const socket of clients.values()) socket.close(1001);
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(0), 1000).unref();
  });
}
