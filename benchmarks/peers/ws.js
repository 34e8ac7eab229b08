// A server of `ws`: what comes on /publish goes to all who are on another path.
"use strict";
const { WebSocketServer, WebSocket } = require("ws");

const [port, deflate] = process.argv.slice(2);
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  backlog: 4096,
  // Shared settings where they help: no context kept between messages, none left uncompressed.
  perMessageDeflate: deflate === "deflate" ? { serverNoContextTakeover: true, threshold: 0 } : false,
});
server.on("connection", (socket, request) => {
  if (request.url !== "/publish") {
    socket.send("joined");
    return;
  }
  socket.publisher = true;
  socket.on("message", (data) => {
    for (const each of server.clients) {
      if (!each.publisher && each.readyState === WebSocket.OPEN) each.send(data, { binary: false });
    }
  });
});
