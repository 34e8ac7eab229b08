// A Socket.IO server: the event "publish" goes to all who said "join".
"use strict";
const http = require("node:http");
const { Server } = require("socket.io");

const server = http.createServer();
const io = new Server(server, { serveClient: false, pingInterval: 3_600_000 });
io.on("connection", (socket) => {
  socket.on("join", () => {
    socket.join("bench");
    socket.emit("joined");
  });
  socket.on("publish", (data) => io.to("bench").emit("message", data));
});
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
