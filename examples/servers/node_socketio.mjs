// The chat rooms of socketio_app.py, written with Node and `socket.io`, for comparison.
//
// Run: cd examples && npm install && node servers/node_socketio.mjs
import { createServer } from "node:http";
import { Server } from "socket.io";

const port = Number(process.env.PORT ?? 8765);
const http = createServer();
const io = new Server(http);

io.on("connection", (socket) => {
  socket.on("join room", async (asked, acknowledge) => {
    const room = String(asked?.roomId ?? asked);
    await socket.join(room);
    socket.to(room).emit("user joined", { userId: socket.id });
    acknowledge?.(io.sockets.adapter.rooms.get(room).size);
  });
  socket.on("chat message", (message) => {
    const room = String(message?.roomId);
    // Only members may send to a room.
    if (!socket.rooms.has(room)) return;
    const text = String(message.text ?? "");
    io.to(room).emit("chat message", { text, userId: socket.id, timestamp: Date.now() });
  });
});

http.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port} speaks Socket.IO.`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => io.close(() => process.exit(0)));
