"""What the output of a cell can be: how it is fed, and how the notebook saves it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["SILENCE", "Comm", "Content", "Page"]

SILENCE = 45.0
"""Seconds after which nothing more is sent to a page that was not heard of. Pages in sight are
heard of every ten seconds; one that is heard of again gets everything."""


class Comm(Protocol):
    """A comm of Jupyter's, as far as a page is sent numbers through it."""

    comm_id: str

    def send(self, data: dict[str, Any]) -> None:
        """Send a message to the page."""

    def close(self, data: dict[str, Any]) -> None:
        """Tell the page that no more will come."""

    def on_msg(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the receiver of the page's messages."""

    def on_close(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the receiver of the page's farewell."""


@dataclass(eq=False)
class Page:
    """A page that shows an output.

    Attributes:
        comm: leads to it.
        now: a clock, in seconds.
        heard: when a message came from it, by that clock.
        behind: True if it was not sent everything, because it was silent.
    """

    comm: Comm
    now: Callable[[], float]
    heard: float
    behind: bool = False

    @property
    def silent(self) -> bool:
        """True if it was not heard of for :data:`SILENCE`."""
        return self.now() - self.heard > SILENCE

    def send(self, **said: Any) -> None:
        """Send it a message."""
        self.comm.send(said)


class Content(abc.ABC):
    """What an output shows, for as long as it is on a page; it goes on after its cell is done.

    All methods are called on the event loop of the notebook.

    Attributes:
        period: seconds between two updates.
    """

    period: float = 1.0

    def meet(self, others: Iterable[Content]) -> None:  # noqa: B027 - many have nothing to share
        """Take what can be shared from the contents that are shown already. Called once, first."""

    @abc.abstractmethod
    def begin(self) -> None:
        """Take in what there is already, for the first output."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Begin to receive numbers; idempotent."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Release everything: the content is no longer shown. Idempotent."""

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """True once nothing will change any more."""

    async def prepare(self) -> None:  # noqa: B027 - most have all they need
        """Get what the next output shows."""

    @abc.abstractmethod
    def output(self, *, view: str, kernel: str) -> dict[str, Any]:
        """Return the output by type, as the notebook saves it.

        Args:
            view: id by which pages ask for numbers.
            kernel: id of the kernel, as Jupyter's server knows it; empty if it knows none.
        """

    def update(self, pages: Sequence[Page]) -> None:  # noqa: B027 - some send by themselves
        """Send what is new to the pages that are not silent. Called once a period."""

    @abc.abstractmethod
    def welcome(self, page: Page) -> None:
        """Send everything to a page that shows the content from now on, or was silent."""

    @abc.abstractmethod
    def hear(self, page: Page, said: Mapping[str, Any]) -> bool:
        """Do what a page says; return True if its user did something."""

    def leave(self, page: Page) -> None:  # noqa: B027 - some keep nothing
        """Forget a page that is gone."""
