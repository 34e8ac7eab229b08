"""Run a client: connect, send and receive until the connection ends, wait, reconnect."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

try:
    from websockets.client import process_exception
except ImportError:  # websockets 15 and older have this function here
    from websockets.asyncio.client import process_exception  # type: ignore[attr-defined]

from ..core.clock import Clock
from ..protocol.close import ABNORMAL
from .auth_token import fresh
from .connect_error_classification import is_fatal, retry_after
from .errors import ClientClosed, QueueFull
from .event_delivery import EventDelivery
from .monitor_reporting import MonitorReporting
from .options import ClientOptions
from .outbox import OutboxEntry
from .result_types import Change, ClientStats, Message
from .server_address import NotSpoken, ServerAddress
from .session import ClientSession
from .subscribe_and_join import Joining
from .transport_connection import TransportLink

if TYPE_CHECKING:
    from ..metrics.monitor_interfaces import Recorder

__all__ = ["Engine"]

logger = logging.getLogger("rtmon.client")


class Engine:
    """Runs a client's session over successive connections.

    Attributes:
        session: the client's state, which decides what to send and when to reconnect.
        address: the server's address.
        membership: the client's subscriptions and rooms.
        delivery: passes received messages to subscriptions and callbacks.
        link: the open connection; None while there is none.
    """

    def __init__(
        self,
        url: str,
        options: ClientOptions,
        connection: dict[str, Any],
        *,
        monitor: Recorder | None = None,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._options = options
        self._clock = clock
        self._process_exception = connection.get("process_exception", process_exception)
        self.session = ClientSession(options, rng=rng, wall=clock.time)
        self._reporting: MonitorReporting | None = None
        connection = {"open_timeout": options.open_timeout, **connection}
        if monitor is not None:
            self._reporting = MonitorReporting(monitor, name=options.name, stats=self.stats)
            counting = self._reporting.counting(connection.get("create_connection"))
            connection["create_connection"] = counting
        self._plain = options.protocol == "plain"
        codec = None if self._plain else self.session.sender.wire.codec
        self.address = ServerAddress(url, codec, connection)
        self.membership = Joining(self.session, now=self.now, wake=self.wake)
        self.delivery = EventDelivery(self.session, self.membership, self._reporting)
        self.link: TransportLink | None = None
        self._runner: asyncio.Task[None] | None = None
        self._caller: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._line = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        self.delivery.taps.append(self._heard)

    def now(self) -> float:
        """Return the client's monotonic time, in seconds."""
        return self._clock.monotonic()

    def stats(self) -> ClientStats:
        """Return the client's statistics, as of now."""
        return self.session.stats(self.now(), url=str(self.address))

    @property
    def generation(self) -> int:
        """Number of connections opened so far."""
        return self.session.lifecycle.connections

    # Opening and closing

    async def start(self) -> None:
        """Connect, and wait until the connection is open.

        Raises:
            ClientClosed: the client is closed, or did not connect within ``start_timeout``.
        """
        self.session.check()
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="rtmon-client")
            self._runner.add_done_callback(self._stopped)
            self._caller = asyncio.create_task(
                self.delivery.callbacks.run(), name="rtmon-callbacks"
            )
        try:
            async with asyncio.timeout(self._options.start_timeout):
                await self.wait_open()
        except TimeoutError:
            await self.close()
            raise ClientClosed(
                f"There was no connection to {self.address} within "
                f"{self._options.start_timeout:g} s: is the server there? The last attempt: "
                f"{self.session.last_problem}"
            ) from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the client; see :meth:`Client.close`."""
        session = self.session
        if session.lifecycle.state not in {"closing", "closed"}:
            session.closing()
            try:
                with contextlib.suppress(TimeoutError, ClientClosed):
                    async with asyncio.timeout(self._options.close_timeout):
                        if session.connected:
                            await self.flush()
                        if self.link is not None:
                            await self.link.connection.close()
            finally:
                # Do this also if the caller is cancelled. Otherwise the client stays half closed.
                if self._runner is not None:
                    self._runner.cancel()
        if self._runner is not None:
            await asyncio.wait([self._runner])
        self._finish()
        if self._caller is not None and asyncio.current_task() is not self._caller:
            await asyncio.wait([self._caller], timeout=self._options.close_timeout)
            self._caller.cancel()

    async def wait_open(self) -> None:
        """Wait until the client is connected.

        Raises:
            ClientClosed: the client is closed, or has stopped reconnecting.
        """
        while not self.session.connected:
            if self.session.lifecycle.state in {"closing", "closed"}:
                raise self.session.gone()
            await self.change()

    def hurry(self) -> None:
        """Make the next attempt to connect now, without waiting for the backoff."""
        self._hurry.set()

    # Sending

    async def send(
        self, kind: str, payload: Any, settle: Callable[[Message | Exception], None] | None = None
    ) -> OutboxEntry:
        """Queue a message. If the send queue is full and the policy is ``wait``, wait for room.

        Args:
            kind: the message type.
            payload: its payload.
            settle: called once with the answer or the error; None if no caller waits for it.

        Raises:
            ClientClosed, OptionError, QueueFull: as :meth:`ClientSession.send`.
        """
        # The lock makes a new caller wait behind callers that already wait for room.
        async with self._line:
            while True:
                try:
                    entry = self.session.send(kind, payload, self.now(), settle=settle)
                except QueueFull:
                    if self._options.queue_policy != "wait":
                        raise
                    self.session.sender.ask()
                    self.wake()
                    await self.change()
                else:
                    self.wake()
                    return entry

    async def request(
        self, kind: str, payload: Any, *, late: Callable[[Message], None] | None = None
    ) -> Message:
        """Send a message and wait for its answer, without a timeout.

        Args:
            kind: the message type.
            payload: its payload.
            late: called with the answer if it arrives after the caller was cancelled.

        Raises:
            RtmonError: as :meth:`Client.request`.
        """
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def settle(result: Message | Exception) -> None:
            if answer.done():
                if late is not None and isinstance(result, Message):
                    late(result)
                return
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        entry = await self.send(kind, payload, settle)
        try:
            return await answer
        except asyncio.CancelledError:
            if late is None:
                self.session.outbox.forget(entry.key)
            raise

    async def flush(self) -> None:
        """Wait until all sent messages are acknowledged; see :meth:`Client.flush`."""
        outbox = self.session.outbox
        while outbox.queued or outbox.unconfirmed:
            state = self.session.lifecycle.state
            if state == "closed" or (state == "closing" and not self.session.connected):
                raise self.session.gone()
            self.session.sender.ask()
            self.wake()
            await self.change()

    def wake(self) -> None:
        """Make the open connection write the data that the session wants to send."""
        if self.link is not None:
            self.link.wake()

    async def change(self) -> None:
        """Wait until a message arrives, or the client's state or send queue changes."""
        self._changed.clear()
        await self._changed.wait()

    # Running

    async def _run(self) -> None:
        session = self.session
        delay: float | None = 0.0
        while delay is not None:
            await self._sleep(delay)
            session.connecting()
            began = self.now()
            asked = False
            try:
                async with asyncio.timeout(self._options.open_timeout):
                    token = await fresh(self._options.token)
                asked = True
                connection = await self.address.open(session.query(), token=token)
            except Exception as error:  # noqa: BLE001 - the session decides if to retry
                # The token may come from another server: a failure to get it is always retried.
                fatal = asked and (
                    isinstance(error, NotSpoken) or is_fatal(error, self._process_exception)
                )
                after = retry_after(error, wall=self._clock.time())
                delay = session.failed(self.now(), error, fatal=fatal, retry_after=after)
            else:
                if self._reporting is not None:
                    self._reporting.opened(connection)
                self.link = TransportLink(
                    session, connection, clock=self._clock, passed=self._pass_on
                )
                left = max(0.1, self._options.open_timeout - (self.now() - began))
                try:
                    code, reason = await self.link.run(welcome_within=left)
                except Exception as error:
                    logger.exception("the client failed; it reconnects")
                    code, reason = ABNORMAL, f"the client failed: {error}"
                finally:
                    connection.transport.abort()
                    self.link = None
                if session.lifecycle.state == "closing":
                    session.sender.stop()
                    self._changed.set()
                    return
                delay = session.lost(self.now(), code, reason)
            self._pass_on()

    async def _sleep(self, seconds: float) -> None:
        """Wait until the next attempt to connect. Meanwhile, drop queued messages that expire."""
        session, until = self.session, self.now() + seconds
        self._hurry.clear()
        while (left := until - self.now()) > 0 and not self._hurry.is_set():
            session.tick(self.now())
            self._pass_on()
            left = min(left, max(0.001, session.due(self.now()) - self.now()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 1.0)):
                    await self._hurry.wait()

    def _heard(self, event: Message | Change) -> None:
        expiring = isinstance(event, Message) and event.type == "token_expiring"
        asked = expiring and not self._plain and callable(self._options.token)
        if asked and self.session.connected:
            self._refreshing = asyncio.create_task(self._refresh(), name="rtmon-refresh")

    async def _refresh(self) -> None:
        """Send a fresh token, because the server closes the connection when the old one expires."""
        try:
            async with asyncio.timeout(self._options.open_timeout):
                token = await fresh(self._options.token)
        except Exception as error:  # noqa: BLE001 - raised by the user's token function
            state, reason = self.session.lifecycle.state, f"there is no fresh token: {error}"
            self.session.tell(Change(what="error", state=state, reason=reason, error=error))
        else:
            if self.session.connected:
                self.session.sender.control("refresh", {"token": token}, self.now())
                self.wake()
        self._pass_on()

    def _pass_on(self) -> None:
        self.delivery.pass_on()
        # On plain connections, the heartbeats are ping frames, whose round trips the probe
        # measures.
        if self._reporting is not None and self.link is not None and not self._plain:
            self._reporting.measured(self.link.connection, self.session.heartbeat.rtt)
        self._changed.set()

    def _stopped(self, runner: asyncio.Task[None]) -> None:
        if not runner.cancelled() and (error := runner.exception()) is not None:
            logger.error("the client failed, and is closed", exc_info=error)
        self._finish()

    def _finish(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
        self.session.closed(self.now())
        self._pass_on()
        self.delivery.end()
        self._changed.set()
