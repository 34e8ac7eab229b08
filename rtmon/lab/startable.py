"""Base class of objects that are started and stopped, by method calls or by ``async with``."""

from __future__ import annotations

import abc
from typing import Self

__all__ = ["Startable"]


class Startable(abc.ABC):
    """An object that runs from :meth:`start` to :meth:`stop`; ``async with`` calls both."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Start the object. May be called twice."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """Stop the object, and free its sockets and tasks. May be called twice."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
