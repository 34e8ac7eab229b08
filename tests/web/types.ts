/** Common programs, for TypeScript: test_node.py checks their types, nothing runs them. */

import {
  ClientClosed,
  ProtocolError,
  connect,
  type Client,
  type Message,
  type Position,
  type State,
} from "../../rtmon/web/rtmon.js";
import { useRtmon } from "../../rtmon/web/use-rtmon.js";

const client: Client = connect("/ws", {
  name: "ada",
  backoff: { base: 100, attempts: null },
  batch: { size: 5 },
  token: async () => "one",
  fallback: false,
});

export async function use(): Promise<void> {
  await client.waitOpen({ timeout: 5_000 });
  const off: () => void = client.on("chat_message", ({ payload, position }) => {
    const text: string = payload.text;
    const offset: number | undefined = position?.offset;
    console.log(text, offset);
  });
  client.on("an application's own", (message: Message) => console.log(message.payload.anything));
  client.onReconnect(({ downtime }) => console.log(downtime ?? 0));
  off();
  await client.send("chat_message", { text: "hi" });
  const position: Position | null = await client.publish("news", new Uint8Array(3), { ack: true });
  const news = client.subscribe("news", (message) => console.log(message.gap), {
    since: position ?? undefined,
  });
  await news.entered();
  for await (const message of client.subscribe("news.*")) console.log(message.payload);
  for await (const message of client) console.log(message.type);
  try {
    await client.sendFile(new Blob(["x"]), { name: "x", room: "work", progress: (a, b) => a / b });
  } catch (error) {
    if (error instanceof ProtocolError) console.log(error.code, error.retry);
    if (error instanceof ClientClosed) console.log(error.code);
  }
  client.on("file_offer", async (offer) => {
    const blob: Blob = await client.receiveFile(offer);
    console.log(blob.size, client.stats.rtt);
  });
  const other = connect("/", { protocol: "plain", ping: null, backoff: { jitter: 0.1 } });
  await other.sendRaw(new Uint8Array(3));
  // @ts-expect-error there is no such option
  connect("/", { retries: 3 });
  // @ts-expect-error a state is one of five
  const state: State = "broken";
  await client.close();
}

export function Component(): string {
  const { isConnected, lastMessage, error, sendMessage, disconnect, reconnect } = useRtmon("/ws", {
    onOpen: ({ what }) => console.log(what),
    onClose: ({ code }) => console.log(code),
    onError: (change) => console.log(change.reason, change.error?.message),
    reconnectInterval: 1_000,
    maxReconnectAttempts: 3,
  });
  void sendMessage("chat_message", { text: "hi" });
  disconnect();
  reconnect();
  return `${isConnected} ${lastMessage?.type} ${error?.message}`;
}
