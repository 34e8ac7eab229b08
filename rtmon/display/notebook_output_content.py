"""Interface for the content of a live notebook output: updates for pages, and the saved form."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["SILENCE", "Comm", "Content", "Page"]

SILENCE = 45.0
"""A page that has sent no message for these seconds gets no more updates.

Visible pages send a message every ten seconds. If a silent page sends a message again, it gets the
complete content.
"""


class Comm(Protocol):
    """The methods of a Jupyter comm that rtmon uses to talk to one open notebook page."""

    comm_id: str

    def send(self, data: dict[str, Any]) -> None:
        """Send a message from the kernel to the page."""

    def close(self, data: dict[str, Any]) -> None:
        """Close the comm, with a last message to the page."""

    def on_msg(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the function to call with each message from the page."""

    def on_close(self, callback: Callable[[Mapping[str, Any]], None]) -> None:
        """Register the function to call when the page has closed the comm."""


@dataclass(eq=False)
class Page:
    """An open notebook page that shows a live output.

    Attributes:
        comm: the Jupyter comm to the page.
        now: returns the time in seconds, by a monotonic clock.
        heard: time of the page's last message, by the same clock.
        behind: True if the page has missed updates because it sent no messages for some time.
    """

    comm: Comm
    now: Callable[[], float]
    heard: float
    behind: bool = False

    @property
    def silent(self) -> bool:
        """True if the page has sent no message for more than :data:`SILENCE` seconds."""
        return self.now() - self.heard > SILENCE

    def send(self, **said: Any) -> None:
        """Send a message to the page, with the arguments as the message's keys and values."""
        self.comm.send(said)


class Content(abc.ABC):
    """Abstract base class for the content of a live notebook output.

    The content is updated also after the output's cell has finished. All methods are called on the
    notebook's event loop.

    Attributes:
        period: seconds between two updates.
    """

    period: float = 1.0

    def meet(self, others: Iterable[Content]) -> None:  # noqa: B027 - optional to override
        """Share resources with other live outputs. Called once, before all other methods.

        Args:
            others: the contents of the kernel's other live outputs.
        """

    @abc.abstractmethod
    def begin(self) -> None:
        """Read the data that is available already, for the first saved form of the output."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Start to receive live data. May be called twice."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Release all resources, because the output is not live any more. May be called twice."""

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """True once the content will not change any more, so that updates can stop."""

    async def prepare(self) -> None:  # noqa: B027 - optional to override
        """Fetch the data that the next call of :meth:`output` needs, but cannot await itself."""

    @abc.abstractmethod
    def output(self, *, view: str, kernel: str) -> dict[str, Any]:
        """Return the output's saved form: MIME type → data.

        Args:
            view: id of the output. A page opens a comm with this id.
            kernel: the kernel's id on the Jupyter server; "" if unknown.
        """

    def update(self, pages: Sequence[Page]) -> None:  # noqa: B027 - optional to override
        """Send new data to the pages. Called once per :attr:`period`.

        Args:
            pages: the open pages that are not silent.
        """

    @abc.abstractmethod
    def welcome(self, page: Page) -> None:
        """Send the complete content to a page that has just opened, or was silent before."""

    @abc.abstractmethod
    def hear(self, page: Page, said: Mapping[str, Any]) -> bool:
        """Handle a message from a page.

        Args:
            page: the sender.
            said: the message.

        Returns:
            True if a user action caused the message.
        """

    def leave(self, page: Page) -> None:  # noqa: B027 - optional to override
        """Delete the state of a page that has closed its comm."""
