"""Interface of the content of a notebook output: updates to pages, and the saved form."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["SILENCE", "Comm", "Content", "Page"]

SILENCE = 45.0
"""Seconds without a message from a page after which updates to it stop. Visible pages send one
every ten seconds; a page that sends one again gets the whole content."""


class Comm(Protocol):
    """The methods of a Jupyter comm that are used here."""

    comm_id: str

    def send(self, data: dict[str, Any]) -> None:
        """Send a message to the page."""

    def close(self, data: dict[str, Any]) -> None:
        """Close the comm."""

    def on_msg(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the receiver of the page's messages."""

    def on_close(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the callback for the page's close."""


@dataclass(eq=False)
class Page:
    """A page that shows an output.

    Attributes:
        comm: the comm to the page.
        now: a clock, in seconds.
        heard: time of the page's last message, by that clock.
        behind: True if updates were skipped because the page was silent.
    """

    comm: Comm
    now: Callable[[], float]
    heard: float
    behind: bool = False

    @property
    def silent(self) -> bool:
        """True if no message came from the page for :data:`SILENCE`."""
        return self.now() - self.heard > SILENCE

    def send(self, **said: Any) -> None:
        """Send it a message."""
        self.comm.send(said)


class Content(abc.ABC):
    """The content of an output, updated while a page shows it, also after its cell has finished.

    All methods are called on the event loop of the notebook.

    Attributes:
        period: seconds between two updates.
    """

    period: float = 1.0

    def meet(self, others: Iterable[Content]) -> None:  # noqa: B027 - many have nothing to share
        """Share resources with the contents that are shown already. Called once, first."""

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
