// A chat in React, with rtmon's hook `useRtmon`.
//
// Run `rtmon serve` in another terminal, then:
// cd examples && npm install && npm run react
import { StrictMode, useCallback, useState } from "react";
import { createRoot } from "react-dom/client";
import { useRtmon } from "../../../rtmon/web/use-rtmon.js";

const url = new URLSearchParams(location.search).get("hub") ?? "ws://127.0.0.1:8765";

function Chat() {
  const [said, setSaid] = useState([]);
  const [text, setText] = useState("");
  const onMessage = useCallback((message) => {
    if (message.type === "chat_message") setSaid((before) => [...before.slice(-99), message]);
  }, []);
  const { isConnected, error, sendMessage } = useRtmon(url, { name: "react", onMessage });

  async function submit(event) {
    event.preventDefault();
    await sendMessage("chat_message", { text });
    setText("");
  }

  return (
    <main>
      <p role="status">{isConnected ? "connected" : (error?.message ?? "connecting …")}</p>
      <ol>
        {said.map(({ id, payload }) => (
          <li key={id}>
            {payload.name}: {payload.text}
          </li>
        ))}
      </ol>
      <form onSubmit={submit}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
        <button>Send</button>
      </form>
    </main>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);
