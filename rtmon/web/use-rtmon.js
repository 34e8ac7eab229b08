/** A React hook: a connection to a hub for as long as a component is mounted. See use-rtmon.d.ts. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ClientClosed, connect } from "./rtmon.js";

const NOTHING = { state: "connecting", lastMessage: null, error: null, rtt: null, client: null };

export function useRtmon(url, options = {}) {
  const [now, setNow] = useState(NOTHING);
  // How often a connection was asked for; 0 when none is wanted.
  const [wanted, setWanted] = useState(1);
  const latest = useRef(options);
  const kept = useRef(null);
  useEffect(() => {
    latest.current = options;
  });

  const { name, user } = options;
  const key = JSON.stringify([String(url), name, user]);
  useEffect(() => {
    if (wanted === 0) return undefined;
    // StrictMode unmounts and mounts again at once: what is there already goes on.
    if (kept.current?.key !== key || kept.current.client.state === "closed") {
      kept.current?.end();
      kept.current = open(url, latest, key, setNow);
    }
    const mine = kept.current;
    mine.stay();
    return () =>
      mine.endSoon(() => {
        if (kept.current === mine) kept.current = null;
      });
    // `key` says all about the address that matters.
  }, [key, wanted]);

  const sendMessage = useCallback(async (type, payload) => {
    if (kept.current === null) throw new ClientClosed("There is no connection: reconnect() first.");
    await kept.current.client.send(type, payload);
  }, []);
  const disconnect = useCallback(() => {
    setWanted(0);
    kept.current?.end();
    kept.current = null;
  }, []);
  const reconnect = useCallback(() => {
    const { client } = kept.current ?? {};
    if (client === undefined || client.state === "closed") setWanted((times) => times + 1);
    else client.reconnect();
  }, []);
  return useMemo(
    () => ({ ...now, isConnected: now.state === "open", sendMessage, disconnect, reconnect }),
    [now, sendMessage, disconnect, reconnect],
  );
}

/** A client whose news go into a component's state. */
function open(url, latest, key, setNow) {
  const { onMessage, ...options } = latest.current;
  const client = connect(url, options);
  let ending = null;
  // One that is being left may take a while to end: what it says is no longer the component's.
  const tell = (changes) =>
    setNow((now) => (now.client === client ? { ...now, ...changes } : now));
  setNow({ ...NOTHING, client });
  client.on("*", (message) => {
    latest.current.onMessage?.(message);
    tell({ lastMessage: message });
  });
  client.onRtt((rtt) => tell({ rtt }));
  client.onChange(({ state, error }) => {
    if (state === "open") tell({ state, error });
    else tell(error === null ? { state } : { state, error });
  });
  const end = () => {
    clearTimeout(ending);
    client.close();
  };
  return {
    key,
    client,
    end,
    stay: () => clearTimeout(ending),
    endSoon(ended) {
      ending = setTimeout(() => {
        ended();
        end();
      }, 0);
    },
  };
}
