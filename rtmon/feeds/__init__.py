"""Feeds: one API to read the measurements of a local Monitor, a remote server or a recording."""

from __future__ import annotations

import os
from pathlib import Path
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


def open_feed(
    source: Monitor | Feed | str | os.PathLike[str] | object, *, token: str | None = None
) -> Feed:
    """Return a Feed that reads a source of measurements. The caller must still start the Feed.

    Args:
        source: a Monitor of this process, the address of a server's admin listener such as
            ``ws://127.0.0.1:8766``, or the file name of a recording. A Feed is returned unchanged.
        token: bearer token for the admin listener; by default, the environment variable
            ``RTMON_TOKEN``.

    Raises:
        OptionError: the source is of another kind, or the address or the token is invalid.
        FileFormatError: the file is not a recording, is damaged, or was written by a newer release.
        OSError: the file does not exist or cannot be read.
    """
    from ..monitor import Monitor
    from .local_feed import LocalFeed
    from .remote_feed import RemoteFeed

    if isinstance(source, Feed):
        return source
    if isinstance(source, Monitor):
        return LocalFeed(source)
    if isinstance(source, os.PathLike) or (isinstance(source, str) and is_recording(source)):
        from ..recording.recording_feed import RecordingFeed

        return RecordingFeed(source)
    if isinstance(source, str):
        return RemoteFeed(source, token=token or os.environ.get("RTMON_TOKEN"))
    raise OptionError(
        f"{source!r} cannot be watched: give a Monitor, an address like "
        "ws://127.0.0.1:8766, or the file of a recording"
    )


def is_recording(source: str) -> bool:
    """Return True if ``source`` is a recording's file name, and False if it is a server address."""
    return source.endswith(".rtmon") or ("://" not in source and Path(source).is_file())
