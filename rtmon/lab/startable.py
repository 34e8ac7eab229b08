"""Base of objects that are started and stopped, by calls or by ``async with``."""

from __future__ import annotations

import abc
from typing import Self

__all__ = ["Startable"]


class Startable(abc.ABC):
    """An object that runs from :meth:`start` to :meth:`stop`; ``async with`` calls both."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Start; idempotent."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """End everything that was started; idempotent."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()
