"""Judge a health check: it names the state of each server, whatever the servers do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from websockets.asyncio.server import ServerConnection

from .task_cancellation import together
from .trial import Broken, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["Health", "health_check"]

Health = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]
"""``async def health(urls)``: returns ``"ok"``, ``"slow"`` or ``"down"`` for each URL."""

_OK = Promise(
    "servers that answer are ok",
    "two servers that answer at once are both reported as ok",
    "what has to be in the dictionary for each URL?",
)
_SLOW = Promise(
    "a server whose pong is late is slow",
    "each message takes 0.35 s to the server and as long back: it is slow, another one is ok",
    "what is measured from the ping to its pong?",
)
_REFUSES = Promise(
    "a server that refuses is down, and the others are reported all the same",
    "nobody listens on one port, another answers with HTTP 503: both are down, the third is ok",
    "which errors does `connect` raise, and what becomes of the other servers then?",
)
_SILENT = Promise(
    "a server that is silent is down",
    "one never answers the handshake, one never answers a ping: both are down, within 5 s",
    "what ends each wait: for the handshake, for the pong, for the answer to your close frame?",
)
_TOGETHER = Promise(
    "all servers are asked at the same time",
    "eight servers, four of them silent, are reported within 5 s",
    "do the others wait while one server does not answer?",
)
_CLOSED = Promise(
    "no connection stays open",
    "a moment later the servers have no open connection",
    "who closes the connections that you have opened?",
)

_ANSWER = 5.0
"""Seconds within which the whole answer is promised."""

_LATENCY = 0.35
"""Seconds that a message takes to the slow server, and as long back."""

_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def health_check(health: Health) -> Verdict:
    """Judge a function that asks several servers how they are.

    A server is ``"ok"`` if its pong comes within 0.5 s after the ping, ``"slow"`` if it comes
    later, and ``"down"`` if there is none 3 s after the attempt to connect began.

    Args:
        health: see :data:`Health`.
    """

    async def scenario(trial: Trial) -> None:
        connected: set[ServerConnection] = set()

        async def accept(connection: ServerConnection) -> None:
            connected.add(connection)
            try:
                await connection.wait_closed()
            finally:
                connected.discard(connection)

        async def ask(expected: Mapping[str, str]) -> None:
            found = await trial.call(health, list(expected), within=_ANSWER)
            if found != expected:
                raise Broken(_difference(found, expected))

        ok, other = await trial.listen(accept), await trial.listen(accept)
        with trial.promise(_OK):
            await ask({ok: "ok", other: "ok"})
        with trial.promise(_SLOW):
            far = await trial.proxy(other)
            far.latency = _LATENCY
            slow = far.url
            await ask({slow: "slow", ok: "ok"})
        with trial.promise(_REFUSES):
            refuses = await _refusing(trial, ok)
            unavailable = await _unavailable(trial)
            await ask({refuses: "down", unavailable: "down", ok: "ok"})
        with trial.promise(_SILENT):
            frozen = await _frozen(trial, ok)
            deaf = await trial.listen(_never_reads)
            await together(ask({frozen: "down"}), ask({deaf: "down"}))
        with trial.promise(_TOGETHER):
            silent = [frozen, deaf, await _frozen(trial, ok), await trial.listen(_never_reads)]
            expected = dict.fromkeys(silent, "down")
            await ask(expected | {slow: "slow", refuses: "down", ok: "ok", other: "ok"})
        with trial.promise(_CLOSED):
            await trial.until(
                lambda: not connected,
                lambda: f"{len(connected)} connections were still open {trial.patience:g} s later",
            )

    return await judged([_OK, _SLOW, _REFUSES, _SILENT, _TOGETHER, _CLOSED], scenario)


async def _refusing(trial: Trial, upstream: str) -> str:
    """Return a URL at which no server listens: that of a proxy that has stopped."""
    proxy = await trial.proxy(upstream)
    url = proxy.url
    await proxy.stop()
    return url


async def _unavailable(trial: Trial) -> str:
    """Start a server that answers each handshake with status 503."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_UNAVAILABLE)
        writer.close()

    server = await trial.enter(await asyncio.start_server(refuse, "127.0.0.1", 0))
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _frozen(trial: Trial, upstream: str) -> str:
    """Start a link that takes connections, and passes nothing on."""
    proxy = await trial.proxy(upstream)
    proxy.freeze()
    return proxy.url


async def _never_reads(connection: ServerConnection) -> None:
    """Read nothing once the handshake is done: no ping, no close frame."""
    connection.transport.pause_reading()
    await connection.wait_closed()


def _difference(found: object, expected: Mapping[str, str]) -> str:
    """Describe the first difference between the report and the true states."""
    if not isinstance(found, Mapping):
        return f"`health` returned {found!r:.40}, not a dictionary"
    for url, state in expected.items():
        if found.get(url) != state:
            return f"a server that is {state} was reported as {found.get(url)!r:.40}"
    return f"{len(found)} servers were reported, {len(expected)} were asked for"
