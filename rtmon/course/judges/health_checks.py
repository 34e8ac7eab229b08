"""Judge a learner's health check, which reports whether each of several servers is ok.

The servers of the trial refuse connections, answer late, or do not answer.
"""

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
"""Type of the learner's function ``async def health(urls)``.

It returns a dictionary with ``"ok"``, ``"slow"`` or ``"down"`` for each URL.
"""

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
"""Time limit in seconds of one call of the learner's function."""

_LATENCY = 0.35
"""One-way delay in seconds between the learner's function and the slow server."""

_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def health_check(health: Health) -> Verdict:
    """Judge a learner's function that checks the health of several WebSocket servers.

    A server is ``"ok"`` if its pong arrives within 0.5 s of the ping, and ``"slow"`` if the pong
    arrives later. A server is ``"down"`` if no pong has arrived 3 s after the function started to
    connect.

    Args:
        health: the learner's function, ``async def health(urls)``.
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
    """Return a URL whose port refuses connections, because its proxy has been stopped."""
    proxy = await trial.proxy(upstream)
    url = proxy.url
    await proxy.stop()
    return url


async def _unavailable(trial: Trial) -> str:
    """Start a server that rejects each handshake with HTTP status 503, and return its URL."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_UNAVAILABLE)
        writer.close()

    server = await trial.enter(await asyncio.start_server(refuse, "127.0.0.1", 0))
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _frozen(trial: Trial, upstream: str) -> str:
    """Start a proxy that accepts connections but forwards no data, and return its URL."""
    proxy = await trial.proxy(upstream)
    proxy.freeze()
    return proxy.url


async def _never_reads(connection: ServerConnection) -> None:
    """Stop reading after the handshake, so that pings and close frames are never answered."""
    connection.transport.pause_reading()
    await connection.wait_closed()


def _difference(found: object, expected: Mapping[str, str]) -> str:
    """Describe the first difference between the learner's report and the true server states."""
    if not isinstance(found, Mapping):
        return f"`health` returned {found!r:.40}, not a dictionary"
    for url, state in expected.items():
        if found.get(url) != state:
            return f"a server that is {state} was reported as {found.get(url)!r:.40}"
    return f"{len(found)} servers were reported, {len(expected)} were asked for"
