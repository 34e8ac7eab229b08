/**
 * A React hook that connects to a server while a component is mounted. It is documented in
 * use-rtmon.d.ts.
 */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { change } from "./client/lifecycle.js";
import { ClientClosed, OptionError, connect } from "./rtmon.js";

const NOTHING = { state: "connecting", lastMessage: null, error: null, rtt: null, client: null };

/** Maximum wait before a reconnect in milliseconds, unless the option reconnectInterval is larger. */
const LONGEST_WAIT = 15_000;

export function useRtmon(url, options = {}) {
  const [now, setNow] = useState(NOTHING);
  // Number of requested connections: each increase creates a new client. 0 means disconnected.
  const [wanted, setWanted] = useState(1);
  const latest = useRef(options);
  const kept = useRef(null);
  useEffect(() => {
    latest.current = options;
  });

  const { name, user } = options ?? {};
  const key = JSON.stringify([String(url), name, user]);
  useEffect(() => {
    if (wanted === 0) return undefined;
    // React's StrictMode unmounts a component and mounts it again at once. The client is then kept.
    if (kept.current?.key !== key || kept.current.client.state === "closed") {
      kept.current?.end();
      kept.current = open(url, latest, key, setNow);
    }
    const mine = kept.current;
    mine?.stay();
    return () =>
      mine?.endSoon(() => {
        if (kept.current === mine) kept.current = null;
      });
    // `key` contains the url, name and user, so these are not listed as dependencies.
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

/**
 * Create a client that writes its changes to a component's state. If an option is invalid, the error is
 * written to the state, and null is returned. Throwing it inside an effect would unmount the whole page.
 */
function open(url, latest, key, setNow) {
  let client;
  try {
    client = connect(url, clientOptions(latest.current));
  } catch (error) {
    setNow({ ...NOTHING, state: "closed", error });
    call(latest.current?.onError, change("error", "closed", { reason: error.message, error }));
    return null;
  }
  let ending = null;
  // A client that is closing may still report changes. They are ignored once another client is used.
  const tell = (changes) =>
    setNow((now) => (now.client === client ? { ...now, ...changes } : now));
  setNow({ ...NOTHING, client });
  client.on("*", (message) => {
    tell({ lastMessage: message });
    latest.current.onMessage?.(message);
  });
  client.onRtt((rtt) => tell({ rtt }));
  client.onChange((happened) => {
    const { what, state, error } = happened;
    if (state === "open") tell({ state, error });
    else tell(error === null ? { state } : { state, error });
    const { onOpen, onClose, onError } = latest.current;
    if (what === "open" || what === "reconnect") onOpen?.(happened);
    else if (what === "close") onClose?.(happened);
    else if (what === "error") onError?.(happened);
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

/** Return the options for `connect` from the options of the hook. */
function clientOptions(given) {
  const { onOpen, onMessage, onClose, onError, reconnectInterval, maxReconnectAttempts, ...rest } =
    given;
  for (const [name, handler] of Object.entries({ onOpen, onMessage, onClose, onError })) {
    if (handler !== undefined && typeof handler !== "function") {
      throw new OptionError(`${name} is ${handler}: give a function.`);
    }
  }
  const waits = {};
  if (reconnectInterval !== undefined) {
    waits.base = reconnectInterval;
    waits.max = Math.max(LONGEST_WAIT, reconnectInterval);
  }
  if (maxReconnectAttempts !== undefined) waits.attempts = maxReconnectAttempts;
  return { ...rest, backoff: { ...waits, ...rest.backoff } };
}

/** Call a handler of the component; its exceptions are reported to the page as uncaught errors. */
function call(handler, value) {
  try {
    handler?.(value);
  } catch (error) {
    reportError(error);
  }
}
