"""Base class for the content of a live notebook output, and the pages that show it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["SILENCE", "Comm", "Content", "Page"]

SILENCE = 45.0
"""Seconds without a message from a page after which the page gets no more updates. Visible pages
send a message every ten seconds. When a page sends a message again, it gets the whole content."""


class Comm(Protocol):
    """The part of a Jupyter comm's interface that live outputs use."""

    comm_id: str

    def send(self, data: dict[str, Any]) -> None:
        """Send a message to the page."""

    def close(self, data: dict[str, Any]) -> None:
        """Close the comm."""

    def on_msg(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the callback for messages that the page sends."""

    def on_close(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the callback for the comm's end, when the page closes it."""


@dataclass(eq=False)
class Page:
    """A browser page that shows a live output.

    Attributes:
        comm: the Jupyter comm to the page.
        now: returns the time in seconds.
        heard: time of the page's last message, as ``now`` returned it.
        behind: True if updates were skipped because the page was silent.
    """

    comm: Comm
    now: Callable[[], float]
    heard: float
    behind: bool = False

    @property
    def silent(self) -> bool:
        """True if the page has sent no message for :data:`SILENCE` seconds."""
        return self.now() - self.heard > SILENCE

    def send(self, **said: Any) -> None:
        """Send a message to the page; the keyword arguments are its fields."""
        self.comm.send(said)


class Content(abc.ABC):
    """Base class for the content of a live notebook output.

    A content is updated while a page shows it, also after the cell has finished. All methods are
    called on the event loop of the notebook.

    Attributes:
        period: seconds between two updates.
    """

    period: float = 1.0

    def meet(self, others: Iterable[Content]) -> None:  # noqa: B027 - many have nothing to share
        """Share resources with other contents in the notebook. Called once, before :meth:`begin`.

        Args:
            others: the contents of the other live outputs.
        """

    @abc.abstractmethod
    def begin(self) -> None:
        """Collect the numbers that are available at once, for the first output."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Start to receive new numbers. May be called twice."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Release all resources when the content is no longer shown. May be called twice."""

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """True once the content will not change any more."""

    async def prepare(self) -> None:  # noqa: B027 - most have all they need
        """Query the data that the next call of :meth:`output` needs."""

    @abc.abstractmethod
    def output(self, *, view: str, kernel: str) -> dict[str, Any]:
        """Return the output that the notebook saves: media type → content.

        Args:
            view: id of the output, which pages send to request updates.
            kernel: id of the kernel on Jupyter's server; "" if unknown.
        """

    def update(self, pages: Sequence[Page]) -> None:  # noqa: B027 - some send by themselves
        """Send new numbers to all pages that are not silent. Called every ``period`` seconds."""

    @abc.abstractmethod
    def welcome(self, page: Page) -> None:
        """Send the whole content to a page that is new, or that was silent before."""

    @abc.abstractmethod
    def hear(self, page: Page, said: Mapping[str, Any]) -> bool:
        """Handle a message from a page. Return True if the message reports a user's action."""

    def leave(self, page: Page) -> None:  # noqa: B027 - some keep nothing
        """Release the state of a page that has closed."""
