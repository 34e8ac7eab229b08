// Runs socket.io-client for a test in Python. The program reads commands from standard input and
// writes events to standard output, one JSON object per line.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../peers/package.json", import.meta.url));
const { io } = require("socket.io-client");

const sockets = new Map();

function tell(socket, event, more) {
  process.stdout.write(`${JSON.stringify({ socket, event, ...more })}\n`);
}

// Counts of messages and of their bytes as Socket.IO packets: events and acknowledgments with
// their attachments.
function counting(engine) {
  const counts = { got: [0, 0], said: [0, 0] };
  const add = (count) => (packet) => {
    if (packet.type !== "message") return;
    const text = typeof packet.data === "string";
    if (text && !"2356".includes(packet.data[0])) return;
    count[0] += text ? 1 : 0;
    count[1] += Buffer.byteLength(packet.data);
  };
  engine.on("packet", add(counts.got));
  engine.on("packetCreate", add(counts.said));
  return counts;
}

const commands = {
  open({ socket: name, url, auth, options }) {
    let connections = 0;
    const socket = io(url, {
      forceNew: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 100,
      ...options,
      auth: (give) => give({ name: `${name}-${++connections}`, ...auth }),
    });
    let counts;
    socket.io.on("open", () => (counts = counting(socket.io.engine)));
    socket.onAny((event, ...args) => tell(name, event, { args }));
    socket.on("connect", () => {
      const transport = socket.io.engine.transport.name;
      tell(name, "#connect", { recovered: socket.recovered, transport });
    });
    socket.on("connect_error", (error) => {
      if (!socket.active) tell(name, "#refused", { message: error.message });
    });
    socket.on("disconnect", (reason) => {
      tell(name, "#disconnect", { reason, counts, active: socket.active });
    });
    sockets.set(name, socket);
  },
  emit({ socket: name, args, ack }) {
    const given = args.map(binary);
    const back = (...answer) => tell(name, "#ack", { ack, args: answer });
    sockets.get(name).emit(...given, ...(ack === undefined ? [] : [back]));
  },
  close({ socket: name }) {
    sockets.get(name).close();
  },
};

// In commands, bytes are written as { base64: text }.
function binary(value) {
  if (value === null || typeof value !== "object") return value;
  if ("base64" in value) return Buffer.from(value.base64, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, binary(item)]));
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  commands[command.do](command);
}
process.exit();
