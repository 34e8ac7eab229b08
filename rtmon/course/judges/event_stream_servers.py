"""Judge a learner's server of server-sent events (SSE), which uses plain TCP connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

from ...lab.faults import FaultProxy
from .trial import Broken, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["Handle", "Log", "event_stream"]

_HEAD = Promise(
    "the answer is an event stream",
    "status 200, and Content-Type: text/event-stream, before anything has happened",
    "the head ends with an empty line, and has to leave before the first event",
)
_EVENTS = Promise(
    "each event arrives at once, with its id",
    "events 1 to 5, each with `id:` and `data:`, while the connection stays open",
    "an event is some lines of the form `name: value`, and an empty line ends it",
)
_LINES = Promise(
    "a text of several lines is one event",
    "'first line\\nsecond line', in one event",
    "what does a line that does not begin with a field's name mean to the reader?",
)
_RESUMED = Promise(
    "a reader that comes back gets what it missed, once",
    "cut off after event 6, it comes back with `Last-Event-ID: 6` and gets 7 to 10",
    "which header does a browser send when it comes back, and what is `log.since` given?",
)
_CROWD = Promise(
    "many readers get the same events",
    "event 11 reaches 20 readers",
    "does one reader's handler wait for another's?",
)
_GONE = Promise(
    "a handler ends when its reader has gone",
    "after the cut, while events go on, no handler runs any more",
    "which call tells you that the connection is lost, and do you await it after each event?",
)


class Log:
    """A list of events that grows. The learner's handler reads the events with :meth:`since`."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._grown = asyncio.Condition()

    async def add(self, text: str) -> None:
        """Append an event. Events are numbered from 1."""
        async with self._grown:
            self._texts.append(text)
            self._grown.notify_all()

    async def since(self, number: int) -> AsyncIterator[tuple[int, str]]:
        """Yield ``(number, text)`` of each event after event ``number``, then wait for new events.

        The iterator never ends.
        """
        while True:
            while number < len(self._texts):
                number += 1
                yield number, self._texts[number - 1]
            async with self._grown:
                while number == len(self._texts):
                    await self._grown.wait()


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Log], Awaitable[object]]
"""Type of the learner's function ``async def handle(reader, writer, log)``.

It is called for each TCP connection.
"""


async def event_stream(handle: Handle) -> Verdict:
    """Judge a learner's ``asyncio.start_server`` handler that sends server-sent events.

    The handler reads the head of an HTTP GET request. It responds with the events of a
    :class:`Log` whose number is larger than the value of the header ``Last-Event-ID``. If the
    header is missing, it sends all events. A browser's ``EventSource`` can read the response.

    Args:
        handle: the learner's function, ``async def handle(reader, writer, log)``.
    """

    async def scenario(trial: Trial) -> None:
        log, running = Log(), set[asyncio.Task[object]]()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = trial.start(handle, reader, writer, log)
            running.add(task)
            task.add_done_callback(running.discard)
            await asyncio.wait([task])
            trial.note_failure(task, expected=ConnectionError)
            writer.close()

        server = await trial.enter(await asyncio.start_server(connected, "127.0.0.1", 0))
        port = server.sockets[0].getsockname()[1]

        async def arrive(last: int | None = None) -> _Reader:
            link = await trial.enter(FaultProxy(f"http://127.0.0.1:{port}"))
            return await trial.enter(_Reader.connected(link, last))

        async def add(*texts: str) -> None:
            for text in texts:
                await log.add(text)

        with trial.promise(_HEAD):
            ann = await arrive()
            await trial.until(lambda: ann.has_head, lambda: f"the answer so far is {ann.shown}")
            if problem := ann.wrong_head():
                raise Broken(problem)
        with trial.promise(_EVENTS):
            wanted = [(str(number), f"event {number}") for number in range(1, 6)]
            await add(*(text for _, text in wanted))
            await ann.expect(trial, wanted)
        with trial.promise(_LINES):
            await add("first line\nsecond line")
            await ann.expect(trial, [*wanted, ("6", "first line\nsecond line")])
        with trial.promise(_RESUMED):
            ann.link.cut()
            await add("event 7", "event 8")
            again = await arrive(last=6)
            await add("event 9", "event 10")
            late = [(str(number), f"event {number}") for number in range(7, 11)]
            await again.expect(trial, late)
        with trial.promise(_CROWD):
            crowd = [await arrive(last=10) for _ in range(20)]
            await add("event 11")
            for reader in crowd:
                await reader.expect(trial, [("11", "event 11")])
        with trial.promise(_GONE):
            for reader in (again, *crowd):
                reader.link.cut()
            await _outlive(running, log, within=trial.patience)
            trial.require_nothing_raised()

    return await judged([_HEAD, _EVENTS, _LINES, _RESUMED, _CROWD, _GONE], scenario)


async def _outlive(running: Collection[object], log: Log, *, within: float) -> None:
    """Add events until all handlers whose client has disconnected have returned.

    Raises:
        Broken: a handler still runs after ``within`` seconds.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while running:
        if clock() > deadline:
            raise Broken(f"{len(running)} handlers still run, though their readers have gone")
        await log.add("nobody reads this")
        await asyncio.sleep(0.01)


class _Reader:
    """An SSE client that parses the event stream as a browser does.

    Attributes:
        link: the fault proxy between this client and the learner's server.
    """

    def __init__(self, link: FaultProxy) -> None:
        self.link = link
        self._data = bytearray()

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, link: FaultProxy, last: int | None) -> AsyncIterator[_Reader]:
        """Connect, request the event stream, and read it in a background task.

        Args:
            link: the fault proxy to connect to.
            last: value of the header ``Last-Event-ID``; None to send no such header.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        lines = ["GET /events HTTP/1.1", f"Host: 127.0.0.1:{link.port}"]
        lines += ["Accept: text/event-stream"]
        lines += [f"Last-Event-ID: {last}"] if last is not None else []
        writer.write("\r\n".join([*lines, "", ""]).encode())
        self = cls(link)

        async def read() -> None:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65_536):
                    self._data += data

        reading = asyncio.create_task(read(), name="rtmon-judge-read")
        try:
            yield self
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            writer.transport.abort()

    @property
    def _text(self) -> str:
        return self._data.decode(errors="replace").replace("\r\n", "\n")

    @property
    def has_head(self) -> bool:
        """True once the complete head of the HTTP response has arrived."""
        return "\n\n" in self._text

    @property
    def shown(self) -> str:
        """The first 60 characters of the response, quoted."""
        return repr(self._text[:60])

    def wrong_head(self) -> str | None:
        """Return a text about the error in the HTTP response's head; None if the head is right."""
        status, *fields = self._text.split("\n\n")[0].split("\n")
        if status.split(" ")[:2] != ["HTTP/1.1", "200"]:
            return f"the first line of the answer is {status[:60]!r}"
        kinds = [field for field in fields if field.lower().startswith("content-type:")]
        if not any("text/event-stream" in kind for kind in kinds):
            return f"the content type is {kinds[0][:60]!r}" if kinds else "there is no Content-Type"
        return None

    @property
    def events(self) -> list[tuple[str, str]]:
        """``(id, text)`` of each event that has arrived; the id is ``"none"`` if it is missing."""
        found = []
        for block in self._text.split("\n\n")[1:-1]:
            fields = [line.partition(":") for line in block.split("\n")]
            data = [value.removeprefix(" ") for name, _, value in fields if name == "data"]
            ids = [value.removeprefix(" ") for name, _, value in fields if name == "id"]
            if data:  # Without data, the block is a comment or only sets a field.
                found.append((ids[-1] if ids else "none", "\n".join(data)))
        return found

    async def expect(self, trial: Trial, wanted: list[tuple[str, str]]) -> None:
        """Wait until as many events as wanted have arrived, and compare them.

        Args:
            trial: the trial that this client belongs to.
            wanted: ``(id, text)`` of all events that this client must have received.

        Raises:
            Broken: an event is missing or differs.
        """
        await trial.until(
            lambda: len(self.events) >= len(wanted),
            lambda: f"{len(self.events)} of {len(wanted)} events came, the end is {self._end}",
        )
        for (number, text), found in zip(wanted, self.events, strict=False):
            if found != (number, text):
                raise Broken(
                    f"event {number} is {text!r}; what came is {found[1][:40]!r} with id {found[0]}"
                )

    @property
    def _end(self) -> str:
        return repr(self._text[-40:])
