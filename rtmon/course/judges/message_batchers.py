"""Judge a learner's batcher, a class that collects items and sends them in batches.

No item may be dropped, sent twice, or delayed for too long.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection

from ...lab.faults import FaultProxy
from .simulated_users import first_fault
from .task_cancellation import together
from .trial import Broken, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["Batcher", "batcher"]

_FULL = Promise(
    "a full batch leaves at once",
    "with size=10 and delay=3600, 30 items leave at once, in 3 batches of 10",
    "what happens in `put` when the tenth item comes?",
)
_DELAY = Promise(
    "a batch that is not full leaves when its delay is over",
    "with size=100 and delay=0.1, a single item leaves",
    "if no other item comes, which line sends the first one?",
)
_FIRST = Promise(
    "the delay counts from the first item of a batch",
    "while an item comes every 0.1 s, with delay=0.5, the first of them leaves within 3 s",
    "what does each further item do to the timer?",
)
_ORDER = Promise(
    "on a slow link nothing is lost, doubled or out of order",
    "60 items of three publishers, put while batches need 0.1 s to be sent, arrive once, in order",
    "`send` takes time: what may another task do to the list meanwhile?",
)
_CLOSE = Promise(
    "closing sends the rest",
    "after close() has returned, the last 3 items have been sent",
    "what is still in the batch when close() is called?",
)


class Batcher(Protocol):
    """Interface of the learner's class, which is created with ``send``, ``size`` and ``delay``.

    ``send`` is a coroutine function that takes a list of items. ``size`` is the maximum number of
    items in a batch. ``delay`` is the maximum number of seconds that the first item of a batch
    waits before the batch is sent.
    """

    async def put(self, item: str) -> None:
        """Add an item to the current batch.

        A batch is sent when it is full or its delay is over.
        """

    async def close(self) -> None:
        """Send the items that have not been sent yet, and wait until they are sent."""


async def batcher(make: Callable[..., Batcher]) -> Verdict:
    """Judge a learner's class that collects items and sends them in batches.

    Args:
        make: the learner's class, called as ``make(send, size=10, delay=0.1)``. See
            :class:`Batcher`.
    """

    async def scenario(trial: Trial) -> None:
        link = await _Link.open(trial)

        def new(size: int, delay: float) -> Batcher:
            link.batches.clear()
            return trial.make(make, link.send, size=size, delay=delay)

        with trial.promise(_FULL):
            items = [f"item {number}" for number in range(1, 31)]
            await _put(trial, new(10, 3600), *items)
            await trial.until(lambda: len(link.items) >= 30, link.summary)
            if [len(batch) for batch in link.batches] != [10, 10, 10]:
                raise Broken(link.summary())
            link.compare(items)
        with trial.promise(_DELAY):
            await _put(trial, new(100, 0.1), "alone")
            await trial.until(lambda: link.items, link.summary)
            link.compare(["alone"])
        with trial.promise(_FIRST):
            await _put_steadily(trial, new(1000, 0.5), link)
        with trial.promise(_ORDER):
            link.proxy.latency = 0.05
            await _put_side_by_side(trial, new(5, 0.02), link)
            link.proxy.latency = 0
        with trial.promise(_CLOSE):
            last = new(10, 3600)
            await _put(trial, last, "one", "two", "three")
            await trial.call(last.close)
            link.compare(["one", "two", "three"])
            trial.require_nothing_raised()

    return await judged([_FULL, _DELAY, _FIRST, _ORDER, _CLOSE], scenario)


async def _put(trial: Trial, batcher: Batcher, *items: str) -> None:
    """Put items into the learner's batcher, one after the other."""
    for item in items:
        await trial.call(batcher.put, item)


async def _put_steadily(trial: Trial, batcher: Batcher, link: _Link) -> None:
    """Put an item into the batcher every 0.1 s until a batch is sent.

    Raises:
        Broken: no batch was sent within 3 s.
    """
    for number in range(1, 31):
        await _put(trial, batcher, f"item {number}")
        await asyncio.sleep(0.1)
        if link.items:
            return
    raise Broken("no item was sent during 3 s in which items came")


async def _put_side_by_side(trial: Trial, batcher: Batcher, link: _Link) -> None:
    """Let three tasks put 20 items each at the same time, close the batcher, and check the items.

    Raises:
        Broken: an item of a task is missing, or arrived twice or out of order.
    """
    said = {name: [f"{name} {n}" for n in range(1, 21)] for name in ("ada", "ben", "cleo")}

    async def publish(items: list[str]) -> None:
        for item in items:
            await _put(trial, batcher, item)
            await asyncio.sleep(0.02)

    await together(*map(publish, said.values()))
    await trial.call(batcher.close)
    await trial.until(lambda: len(link.items) >= 60, lambda: link.fault(said))
    if problem := link.fault(said):
        raise Broken(problem)


class _Link:
    """A connection through a fault proxy to a server that stores and acknowledges each batch."""

    def __init__(self, proxy: FaultProxy, client: ClientConnection, batches: list[Any]) -> None:
        self.proxy = proxy
        self.batches = batches
        self._client = client
        self._sending = asyncio.Lock()

    @classmethod
    async def open(cls, trial: Trial) -> _Link:
        """Start the server and the fault proxy, and connect to the server."""
        batches: list[Any] = []

        async def note(connection: ServerConnection) -> None:
            async for text in connection:
                batches.append(json.loads(text))
                await connection.send("ok")

        proxy = await trial.proxy(await trial.listen(note))
        client = await trial.enter(connect(proxy.url, ping_interval=None, proxy=None))
        return cls(proxy, client, batches)

    async def send(self, items: Any) -> None:
        """Send a batch to the server, and wait for the server's acknowledgement."""
        text = json.dumps(list(items))
        async with self._sending:
            await self._client.send(text)
            await self._client.recv()

    @property
    def items(self) -> list[Any]:
        """All items that have arrived at the server, in order of arrival."""
        return [item for batch in self.batches for item in batch]

    def summary(self) -> str:
        """Describe the sizes of the batches that have arrived at the server."""
        sizes = ", ".join(str(len(batch)) for batch in self.batches[:12])
        return f"batches of {sizes} items were sent" if sizes else "nothing was sent"

    def fault(self, said: Mapping[str, list[str]]) -> str:
        """Compare the items that arrived with the items that each task has put.

        Returns a sentence about the first difference; an empty text if there is none.
        """
        for name, texts in said.items():
            theirs = [item for item in self.items if str(item).startswith(name)]
            if problem := first_fault(theirs, texts, "the server", name):
                return problem.replace("message", "item")
        known = (*said, "item ")  # Items of an earlier promise may still arrive.
        strange = [item for item in self.items if not str(item).startswith(known)]
        return f"{strange[0]!r} was sent, which nobody put" if strange else ""

    def compare(self, items: list[str]) -> None:
        """Compare the items that arrived with the expected items.

        Raises:
            Broken: an item is missing, or arrived twice or out of order.
        """
        if self.items != items:
            problem = first_fault(list(map(str, self.items)), items, "the server", "the publisher")
            raise Broken(str(problem).replace("message", "item"))
