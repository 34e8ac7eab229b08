"""Base class of lab objects that have ``start`` and ``stop``, and work with ``async with``."""

from __future__ import annotations

import abc
from typing import Self

__all__ = ["Startable"]


class Startable(abc.ABC):
    """An object with :meth:`start` and :meth:`stop`. An ``async with`` block calls both."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Start the object. Does nothing if the object is running."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """Stop everything that this object has started. May be called twice."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
