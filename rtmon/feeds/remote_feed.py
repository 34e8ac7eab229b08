"""The class RemoteFeed, which reads a server's measurements from its admin listener."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from ..core import option_validation
from ..core.backoff import Backoff
from ..core.clock import SYSTEM_CLOCK, Clock
from ..core.feed_subprotocol import FEED_SUBPROTOCOL
from ..errors import FeedError
from ..metrics.histogram import Histogram
from . import memory_queries
from .admin_address import AdminAddress
from .connect_error_message import CHECK_PORT, connect_problem
from .connection_details import DETAILS
from .feed import (
    SILENT_TICKS,
    Answer,
    ConnectionPage,
    ConnectionQuery,
    Feed,
    FeedState,
    FeedStatus,
    select,
)
from .queries import (
    Capabilities,
    DetailAnswer,
    DetailQuery,
    MembersAnswer,
    MembersQuery,
    Query,
    RowsQuery,
    SeriesQuery,
)
from .remote_feed_data import RemoteFeedData
from .request_messages import (
    ASKED,
    FEATURE,
    LABELS_FEATURE,
    MEMBERS,
    Coarse,
    LabelledTick,
    LabelsAfter,
    Requests,
)
from .wire_format import PIECE_BYTES, Decoder

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from ..metrics.labelled_durations import Labels
    from ..metrics.records import (
        ChannelInfo,
        Event,
        Sample,
        Snapshot,
        SocketIOInfo,
    )

__all__ = ["RemoteFeed"]

logger = logging.getLogger("rtmon")

HELLO_TIMEOUT = 5.0
"""Timeout in seconds for opening the connection, and again for the server's first message."""

OLDER_SERVER = (
    "the server runs an older release of rtmon, which sends only the rows of connections: no "
    "further details, no data from before the last hour, no percentiles by path, no room members"
)


class RemoteFeed(Feed):
    """A feed that reads a server's admin listener over a WebSocket, and reconnects after an outage.

    After a reconnect, the server sends only the Samples and Events that the feed does not have.
    Received data stays readable during an outage.

    Args:
        address: address of the admin listener, such as ``ws://127.0.0.1:8766``; see
            :class:`.admin_address.AdminAddress`.
        token: bearer token, if the admin listener requires one. A token in the address takes
            precedence.
        backoff: delays between attempts to connect; by default from 0.25 to 5 seconds.
        clock: source of time.

    Raises:
        OptionError: the address is invalid, or a token has characters other than visible ASCII.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        backoff: Backoff | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        parsed = AdminAddress.parse(address)
        if token:
            option_validation.bearer_token("the token of the admin listener", token)
        self.url = parsed.url
        self._token = parsed.token or token
        self._backoff = backoff or Backoff(base=0.25, max=5.0, jitter="full")
        self._clock = clock
        self._rng = random.Random()
        self._received = RemoteFeedData()
        self._requests = Requests()
        self._decoder = Decoder()
        self._coarse_of = ""  # The epoch whose merged Samples have been received.
        self._listeners: dict[object, Callable[[Sample], None]] = {}
        self._connection: ClientConnection | None = None
        self._state: FeedState = "connecting"
        self._detail = ""
        self._since = 0.0
        # Local monotonic time at which the last Sample arrived, and the Sample's Unix time.
        self._heard: tuple[float, float] | None = None
        self._complete = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._task is None:
            # Run the task in an empty context. Otherwise it would keep the context variables of the
            # web session that started the feed in memory after the session has ended.
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="rtmon-feed", context=contextvars.Context()
            )

    async def aclose(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._set("closed", "")

    async def complete(self, timeout: float = 10.0) -> None:
        """Wait until the feed has received the server's history.

        Raises:
            FeedError: the history did not arrive within ``timeout`` seconds. The message says why.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._complete.wait()
        except TimeoutError:
            why = self._detail or "the server accepted the connection, but sent nothing"
            raise FeedError(f"no feed from {self.url} within {timeout:g} s: {why}") from None

    @property
    def status(self) -> FeedStatus:
        state, detail, since = self._state, self._detail, self._since
        if state == "live" and self._heard is not None:
            at, time = self._heard
            silent = self._clock.monotonic() - at
            if silent > SILENT_TICKS * self._received.interval:
                state, detail, since = "disconnected", f"nothing received for {silent:.0f} s", time
        return FeedStatus(
            state=state, source=self.url, detail=detail, since=since, node=self._received.node
        )

    def now(self) -> float:
        if self._heard is None:
            return self._clock.time()
        at, time = self._heard
        return time + self._clock.monotonic() - at

    def latest(self) -> Sample | None:
        return self._received.history.latest()

    def snapshot(self) -> Snapshot | None:
        return self._received.snapshot

    def samples(self, since: int = 0) -> list[Sample]:
        return self._received.history.samples(since)

    def events(self, since: int = 0) -> list[Event]:
        return self._received.history.events(since)

    def channels(self) -> list[ChannelInfo]:
        return self._received.channels

    def socketio(self) -> list[SocketIOInfo]:
        return self._received.socketio

    def connections(self, query: ConnectionQuery | None = None) -> ConnectionPage:
        return select(self._received.connections, query)

    @property
    def capabilities(self) -> Capabilities:
        since = self._received.memory().since
        if self._can_ask or self._heard is None:
            return Capabilities(live=True, details=True, since=since)
        return Capabilities(live=True, since=since, limits=[OLDER_SERVER])

    def listen(self, listener: Callable[[Sample], None]) -> Callable[[], None]:
        key = object()
        self._listeners[key] = listener

        def end() -> None:
            self._listeners.pop(key, None)

        return end

    async def answer(self, query: Query) -> Answer:
        if isinstance(query, SeriesQuery) and self._lacks(query):
            await self._fetch_coarse()
        if isinstance(query, MembersQuery) and self._can_ask:
            return await self._ask_members(query)
        known = self._received.memory()
        if isinstance(query, RowsQuery) and query.table in ASKED:
            known = replace(known, tables={query.table: await self._ask_rows(query)})
        answer = await asyncio.to_thread(memory_queries.answer, query, known)
        if isinstance(query, DetailQuery) and query.epoch in {None, self._received.epoch}:
            return await self._ask_detail(query, cast("DetailAnswer", answer))
        return answer

    async def _ask_rows(self, query: RowsQuery) -> list[Any]:
        """Request the rows of a table that the server does not send with every tick."""
        if not self._can_ask:
            why = OLDER_SERVER if self._connection is not None else "the server is away"
            raise FeedError(f"{query.table} cannot be shown: {why}")
        found = await self._requests.ask(
            RowsQuery(table=query.table), ASKED[query.table], self._send
        )
        return list(found)

    async def _ask_members(self, query: MembersQuery) -> MembersAnswer:
        if MEMBERS not in self._received.features:
            source = self._received.memory().source
            return MembersAnswer(source=source, missing=OLDER_SERVER)
        return await self._requests.ask(query, MembersAnswer, self._send)

    async def _ask_detail(self, query: DetailQuery, known: DetailAnswer) -> DetailAnswer:
        """Request a connection's details from the server.

        Args:
            query: the query.
            known: answer from the feed's memory. This answer is returned, with the reason in
                ``missing``, if no request can be sent or the server no longer has the connection.
        """
        if not self._can_ask:
            why = OLDER_SERVER if self._connection is not None else "the server is away"
            return replace(known, missing=dict.fromkeys(DETAILS, why))
        query = replace(query, epoch=self._received.epoch)
        answer = await self._requests.ask(query, DetailAnswer, self._send)
        return answer if answer.info is not None else known

    def _lacks(self, query: SeriesQuery) -> bool:
        """Return True if the query needs Samples that are older than the feed's oldest Sample.

        Return False if the server has no older Samples, or the feed has already requested them.
        """
        first = self._received.history.first()
        if first is None or first.seq == 1 or self._coarse_of == self._received.epoch:
            return False
        return query.since is None or query.since < first.time - first.elapsed

    async def _fetch_coarse(self) -> None:
        """Request the server's merged Samples that are older than the feed's oldest Sample.

        The answer is large, so it is requested only once in each epoch.
        """
        history, first = self._received.history, self._received.history.first()
        if not self._can_ask or first is None:
            return
        epoch, before = self._received.epoch, Coarse(before=first.seq)
        rows = await self._requests.ask(before, list[tuple[int, list[Any]]], self._send)
        samples = self._decoder.samples(row for _, row in rows)
        history.add_older([(s, ticks) for s, (ticks, _) in zip(samples, rows, strict=True)])
        self._coarse_of = epoch

    async def labels(self, epoch: str, after: int) -> dict[int, Labels]:
        """Request the labelled durations, such as RTT by path, of the server's last 60 ticks.

        Args:
            epoch: the epoch that the ticks belong to.
            after: request only ticks with a greater number.

        Returns:
            Number of the tick → histogram of each label. The dict is empty if the feed is not
            connected, the server's release of rtmon does not support the request, or the server
            has begun another epoch.

        Raises:
            FeedError: the server did not answer, or sent an invalid answer.
        """
        if self._connection is None or LABELS_FEATURE not in self._received.features:
            return {}
        query = LabelsAfter(epoch=epoch, after=after)
        found = await self._requests.ask(query, list[LabelledTick], self._send)
        try:
            return {
                seq: {(m, by, label): Histogram.parse(text) for m, by, label, text in rows}
                for seq, rows in found
            }
        except ValueError as exc:
            raise FeedError(f"this does not look like an answer of rtmon's: {exc}") from exc

    @property
    def _can_ask(self) -> bool:
        return self._connection is not None and FEATURE in self._received.features

    async def _send(self, text: str) -> None:
        if self._connection is None:
            raise FeedError("the connection to the server was lost")
        try:
            await self._connection.send(text)
        except ConnectionClosed as exc:
            raise FeedError(f"the connection to the server was lost: {exc}") from exc

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
            except (OSError, TimeoutError, WebSocketException) as exc:
                detail = connect_problem(exc)
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
        latest = self._received.history.latest()
        since = f"?since={latest.epoch}:{latest.seq}" if latest else ""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        self._decoder = Decoder()
        async with connect(
            f"{self.url}/feed{since}",
            additional_headers=headers,
            max_size=64 * PIECE_BYTES,
            subprotocols=[Subprotocol(FEED_SUBPROTOCOL)],
            open_timeout=HELLO_TIMEOUT,
            ping_interval=5,
            ping_timeout=5,
            close_timeout=1,
            proxy=None,
        ) as connection:
            self._connection = connection
            try:
                await self._read_hello(connection)
                async for data in connection:
                    if isinstance(data, bytes):
                        self._requests.receive(data)
                    else:
                        self._receive(self._decoder.message(data))
            finally:
                self._connection = None
                self._requests.lose()

    async def _read_hello(self, connection: ClientConnection) -> None:
        """Receive the ``hello`` message, which shows that the server is an admin listener.

        Raises:
            FeedError: the first message was not a ``hello``, did not arrive in time, or has
                another protocol version.
        """
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                message = self._decoder.message(await connection.recv())
        except TimeoutError:
            message = {}
        if message.get("type") != "hello":
            raise FeedError(f"a WebSocket server answers, but no admin listener: {CHECK_PORT}")
        self._receive(message)

    def _receive(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "hello":
            self._received.hello(message)
        elif kind == "history":
            if self._received.piece(message):
                latest = self._received.history.latest()
                if latest is not None:
                    self._hear(latest)
                self._complete.set()
        elif kind == "tick":
            sample = self._received.tick(message)
            self._hear(sample)
            for listener in list(self._listeners.values()):
                try:
                    listener(sample)
                except Exception:  # A listener's exception must not stop the feed.
                    logger.exception("a listener of a feed failed")

    def _hear(self, sample: Sample) -> None:
        self._heard = (self._clock.monotonic(), sample.time)
        self._set("live", "")
