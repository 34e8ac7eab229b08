"""The feed of a server elsewhere: its admin listener, read over a WebSocket."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from ..core import option_checks
from ..core.backoff import Backoff
from ..core.clock import SYSTEM_CLOCK, Clock
from ..errors import FeedError, OptionError
from ..metrics.history import History
from .feed import ConnectionPage, ConnectionQuery, Feed, FeedState, FeedStatus, select
from .wire import PIECE_BYTES, Decoder

if TYPE_CHECKING:
    from ..metrics.records import (
        ChannelInfo,
        ConnectionInfo,
        Event,
        Sample,
        Snapshot,
        SocketIOInfo,
    )

__all__ = ["RemoteFeed", "admin_url"]

logger = logging.getLogger("rtmon")

CLOSED_KEPT = 1000
"""Closed connections remembered, as many as a Monitor keeps."""


def admin_url(address: str) -> str:
    """The URL of an admin listener, from what people write for it.

    ``ws://host:8766``, ``http://host:8766`` and ``host:8766`` mean the same.

    Raises:
        OptionError: this is no address of an admin listener.
    """
    text = address if "://" in address else f"ws://{address}"
    try:
        parts = urlsplit(text)
        scheme = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}[parts.scheme]
        if not parts.hostname:
            raise ValueError  # noqa: TRY301 - the same answer as to any other wrong address
        port = "" if parts.port is None else f":{parts.port}"
    except (KeyError, ValueError):
        raise OptionError(
            f"{address!r} is not the address of an admin listener, such as ws://127.0.0.1:8766"
        ) from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{port}"


class RemoteFeed(Feed):
    """Reads a server's admin listener, and keeps reading.

    It reconnects, and goes on where it stopped. What was received stays readable while the
    server is away.

    Args:
        address: the admin listener, such as ``ws://127.0.0.1:8766``.
        token: what that listener asks for, if it does.
        backoff: how long to wait between attempts to connect.
        clock: where time comes from.

    Raises:
        OptionError: the address is none, or the token has other characters than visible ASCII.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        backoff: Backoff | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.url = admin_url(address)
        if token:
            option_checks.bearer_token("the token of the admin listener", token)
        self._token = token
        self._backoff = backoff or Backoff(base=0.25, max=5.0, jitter="full")
        self._clock = clock
        self._rng = random.Random()
        self._history = History()
        self._rows: OrderedDict[str, ConnectionInfo] = OrderedDict()
        self._staged: OrderedDict[str, ConnectionInfo] | None = None
        self._channels: list[ChannelInfo] = []
        self._socketio: list[SocketIOInfo] = []
        self._snapshot: Snapshot | None = None
        self._node = ""
        self._epoch = ""
        self._interval = 1.0
        self._state: FeedState = "connecting"
        self._detail = ""
        self._since = 0.0
        self._heard: tuple[float, float] | None = None  # (monotonic, the server's time)
        self._complete = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None:
            # A context of its own: a task that a web session starts must not belong to it.
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="rtmon-feed", context=contextvars.Context()
            )

    async def aclose(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._set("closed", "")

    async def complete(self, timeout: float = 10.0) -> None:
        """Wait until the server's history has been received.

        Raises:
            FeedError: that took longer than ``timeout`` seconds; says why.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._complete.wait()
        except TimeoutError:
            why = self._detail or "it answers, but sends nothing"
            raise FeedError(f"no feed from {self.url} within {timeout:g} s: {why}") from None

    @property
    def status(self) -> FeedStatus:
        state, detail = self._state, self._detail
        if state == "live" and self._heard is not None:
            silent = self._clock.monotonic() - self._heard[0]
            if silent > 3 * self._interval + 1:
                state, detail = "disconnected", f"nothing heard for {silent:.0f} s"
        return FeedStatus(
            state=state, source=self.url, detail=detail, since=self._since, node=self._node
        )

    def now(self) -> float:
        if self._heard is None:
            return self._clock.time()
        at, time = self._heard
        return time + self._clock.monotonic() - at

    def latest(self) -> Sample | None:
        return self._history.latest()

    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def samples(self, since: int = 0) -> list[Sample]:
        return self._history.samples(since)

    def events(self, since: int = 0) -> list[Event]:
        return self._history.events(since)

    def channels(self) -> list[ChannelInfo]:
        return self._channels

    def socketio(self) -> list[SocketIOInfo]:
        return self._socketio

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(list(self._rows.values()), query)

    def _set(self, state: FeedState, detail: str) -> None:
        if state != self._state:
            self._since = self.now()
        self._state, self._detail = state, detail

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._read()
                detail = "the server closed the feed"
            except ConnectionClosed as exc:
                detail = f"the connection was lost: {exc}"
            except InvalidStatus as exc:
                body = bytes(exc.response.body or b"").decode("utf-8", "replace").strip()
                detail = body or f"the server answered with HTTP {exc.response.status_code}"
            except (OSError, TimeoutError, WebSocketException) as exc:
                detail = f"cannot connect: {str(exc) or type(exc).__name__}"
            except FeedError as exc:
                detail = str(exc)
            if self._state == "live":
                failures = 0
            self._set("disconnected" if self._heard else "connecting", detail)
            failures += 1
            delay = self._backoff.delay(failures, self._rng)
            if delay is None:
                self._set("closed", f"gave up after {failures} attempts: {detail}")
                return
            await asyncio.sleep(delay)

    async def _read(self) -> None:
        latest = self._history.latest()
        since = f"?since={latest.epoch}:{latest.seq}" if latest else ""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        decoder = Decoder()
        async with connect(
            f"{self.url}/feed{since}",
            additional_headers=headers,
            max_size=64 * PIECE_BYTES,
            open_timeout=5,
            ping_interval=5,
            ping_timeout=5,
            close_timeout=1,
            proxy=None,
        ) as connection:
            async for data in connection:
                self._receive(decoder.message(data))

    def _receive(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "hello":
            if message["reset"] or message["epoch"] != self._epoch:
                self._history.clear()
            self._node, self._epoch = message["node"], message["epoch"]
            self._interval = message["interval"]
            self._staged = OrderedDict()
            self._channels, self._socketio = [], []
        elif kind == "history":
            self._receive_history(message)
        elif kind == "tick":
            sample: Sample = message["sample"]
            self._history.add(sample, message["events"])
            self._put(self._rows, message["connections"])
            self._channels = message.get("channels", [])
            self._socketio = message.get("socketio", [])
            self._snapshot = message["totals"]
            self._hear(sample)

    def _receive_history(self, message: dict[str, Any]) -> None:
        for sample in message.get("samples", ()):
            self._history.add(sample)
        known = self._history.last_event()
        self._history.extend_events(e for e in message.get("events", ()) if e.seq > known)
        if self._staged is None:
            self._staged = OrderedDict()
        self._put(self._staged, message.get("connections", ()))
        self._channels += message.get("channels", ())
        self._socketio += message.get("socketio", ())
        if message["done"]:
            self._rows, self._staged = self._staged, None
            self._snapshot = message["totals"] or self._snapshot
            latest = self._history.latest()
            if latest is not None:
                self._hear(latest)
            self._complete.set()

    def _hear(self, sample: Sample) -> None:
        self._heard = (self._clock.monotonic(), sample.time)
        self._set("live", "")

    @staticmethod
    def _put(rows: OrderedDict[str, ConnectionInfo], changed: list[ConnectionInfo]) -> None:
        for row in changed:
            if row.state == "closed":
                rows.pop(row.id, None)  # closed ones are kept in the order in which they ended
            rows[row.id] = row
        if len(rows) > CLOSED_KEPT:
            closed = [row.id for row in rows.values() if row.state == "closed"]
            for gone in closed[: max(0, len(closed) - CLOSED_KEPT)]:
                del rows[gone]
