"""One read side for every view: a Monitor in this process, or a server elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import OptionError
from .feed import ConnectionPage, ConnectionQuery, Feed, FeedState, FeedStatus

if TYPE_CHECKING:
    from ..monitor import Monitor

__all__ = [
    "ConnectionPage",
    "ConnectionQuery",
    "Feed",
    "FeedState",
    "FeedStatus",
    "open_feed",
]


def open_feed(source: Monitor | Feed | str | object, *, token: str | None = None) -> Feed:
    """The Feed of whatever is to be watched. It has to be started yet.

    Args:
        source: a Monitor of this process, the address of a server's admin listener such as
            ``ws://127.0.0.1:8766``, or a Feed, which is handed back.
        token: what the admin listener asks for; by default the environment's ``RTMON_TOKEN``.

    Raises:
        OptionError: this is none of them.
    """
    from ..monitor import Monitor
    from .local import LocalFeed
    from .remote import RemoteFeed

    if isinstance(source, Feed):
        return source
    if isinstance(source, Monitor):
        return LocalFeed(source)
    if isinstance(source, str):
        return RemoteFeed(source, token=token or os.environ.get("RTMON_TOKEN"))
    raise OptionError(
        f"{source!r} cannot be watched: give a Monitor or an address like ws://127.0.0.1:8766"
    )
