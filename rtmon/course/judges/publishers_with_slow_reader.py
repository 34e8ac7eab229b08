"""Judge how a learner's publisher handles a slow reader (backpressure).

The publisher must not delay the other readers, and must limit the memory for queued messages.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence

from .simulated_users import SimulatedUser, first_fault
from .trial import Broken, Handler, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["Publish", "backpressure"]

Publish = Callable[[str], object]
"""Type of the learner's function ``def publish(text)`` or ``async def publish(text)``.

It sends a text message to every connection.
"""

_EVERYBODY = Promise(
    "everybody who reads gets every message, once and in order",
    "100 messages reach ada and ben",
    "follow one message from `publish` to the `send` of each connection",
)
_OTHERS = Promise(
    "a frozen reader holds up nobody",
    "while cleo's link is frozen, 400 messages reach ada and ben",
    "who waits for the `send` to cleo?",
)
_MEMORY = Promise(
    "what waits for a frozen reader is bounded",
    "after 12 MB were published to her in vain, at most 5 MB of memory are in use for it",
    "where do the messages for cleo stand, and what happens when there are too many?",
)
_AWAKE = Promise(
    "a reader that wakes gets the newest, in order, or is told to come again",
    "cleo's last message is the last that was published, or her connection is closed",
    "what is given up when the bound is reached, and does cleo's sender live on?",
)
_AFTER = Promise(
    "a reader that has left costs nothing",
    "after ben's link is cut, 100 more messages reach ada, and nothing raises",
    "who takes ben's connection out of what `publish` goes through?",
)

_LENGTH = 30_000
"""Characters of a published message."""

_HEAD = 20
"""Characters at the start of a message that identify the message."""

_MEMORY_BOUND = 5.0
"""Maximum growth of the process memory in MB, including the buffers of the fault proxy."""

_BURST = 20
"""Messages that the judge publishes before it waits for the fast readers."""


async def backpressure(handler: Handler, publish: Publish) -> Verdict:
    """Judge a learner's publisher while one of its readers does not read.

    The judge publishes 20 messages of 30 kB, then waits until the fast readers have received them.
    A publisher passes with a queue for each connection that holds 20 to 50 messages. Such a queue
    can hold all 20 messages, so the publisher drops none for a fast reader. The queue of a slow
    reader needs at most 1.5 MB.

    Args:
        handler: the learner's handler for ``websockets.serve``, ``async def handler(websocket)``.
        publish: the learner's function that sends a text to every connection.
    """

    async def scenario(trial: Trial) -> None:
        url = await trial.serve(handler)
        ada, ben, cleo = [
            await SimulatedUser.arrive(name, trial, url, keep=_HEAD)
            for name in ("ada", "ben", "cleo")
        ]
        source = _Source(trial, publish)
        with trial.promise(_EVERYBODY):
            await source.publish(100, ada, ben, cleo)
        with trial.promise(_OTHERS):
            cleo.link.freeze("down")
            grown = await trial.enter(_traced())
            await source.publish(400, ada, ben)
        with trial.promise(_MEMORY) as found:
            used = grown() / 1e6
            found.text = f"{used:.1f} MB"
            if used > _MEMORY_BOUND:
                raise Broken(f"{used:.0f} MB more are in use than before")
        with trial.promise(_AWAKE):
            cleo.link.thaw("down")
            await source.publish(1, ada)
            await _wakes(trial, cleo, source.published)
        with trial.promise(_AFTER):
            ben.cut()
            await source.publish(100, ada)
            trial.require_nothing_raised()

    return await judged([_EVERYBODY, _OTHERS, _MEMORY, _AWAKE, _AFTER], scenario)


class _Source:
    """Publishes numbered messages with the learner's ``publish`` function.

    Attributes:
        published: the first 20 characters of each published message.
    """

    def __init__(self, trial: Trial, publish: Publish) -> None:
        self.published: list[str] = []
        self._trial = trial
        self._publish = publish

    async def publish(self, count: int, *readers: SimulatedUser) -> None:
        """Publish messages in bursts of 20; after each burst, wait until the readers received it.

        Args:
            count: number of messages to publish.
            readers: users who have to receive all messages.

        Raises:
            Broken: one of the readers missed a message, or received it twice or out of order.
        """

        async def publish(text: str) -> None:
            sent = self._publish(text)
            if inspect.isawaitable(sent):
                await sent

        for at in range(count):
            text = f"message {len(self.published) + 1} ".ljust(_LENGTH, ".")
            self.published.append(text[:_HEAD])
            await self._trial.call(publish, text)
            if at % _BURST == _BURST - 1 or at == count - 1:
                for reader in readers:
                    await self._wait_for(reader)
        for reader in readers:
            if problem := self._fault(reader):
                raise Broken(problem)

    async def _wait_for(self, reader: SimulatedUser) -> None:
        """Wait until a reader has received the last published message."""
        await self._trial.until(
            lambda: self.published[-1] in reader.heard[-_BURST:],
            lambda: self._fault(reader) or f"the last message did not reach {reader.name}",
        )

    def _fault(self, reader: SimulatedUser) -> str | None:
        """Describe the first message that a reader missed or received twice or out of order."""
        return first_fault(reader.heard, self.published, reader.name, "the publisher")


async def _wakes(trial: Trial, sleeper: SimulatedUser, published: Sequence[str]) -> None:
    """Wait until a frozen reader, working again, has the newest message or is disconnected.

    Args:
        trial: the running trial.
        sleeper: the user whose connection was frozen and works again.
        published: the first 20 characters of each published message.

    Raises:
        Broken: neither happened in time, or messages arrived twice or out of order.
    """
    name = sleeper.name
    await trial.until(
        lambda: not sleeper.is_connected or sleeper.heard[-1] == published[-1],
        lambda: (
            f"the last that {name} got is {sleeper.heard[-1].rstrip('. ')!r}, "
            f"and {len(published):,} were published"
        ),
    )
    numbers = [int(text.split()[1]) for text in sleeper.heard]
    if sorted(set(numbers)) != numbers:
        raise Broken(f"{name} got messages twice, or out of order")


@contextlib.asynccontextmanager
async def _traced() -> AsyncIterator[Callable[[], int]]:
    """Measure the memory of the Python process with tracemalloc.

    Yields a function that returns the growth in bytes since the start of the measurement.
    """
    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()

    def grown() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    try:
        yield grown
    finally:
        if ours:
            tracemalloc.stop()
