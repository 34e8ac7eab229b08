"""The feed of a served dashboard: the server that the environment names, else a demo."""

from __future__ import annotations

import atexit
import os

from ..core.child_processes import demo_source
from ..feeds import Feed, open_feed

__all__ = ["URL_VARIABLE", "from_environment"]

URL_VARIABLE = "RTMON_URL"
"""The environment variable that holds the address of an admin listener."""


def from_environment() -> Feed:
    """Open the feed of the server that ``RTMON_URL`` names.

    Without it, start a server with simulated users in processes of their own, which
    end with this one.

    Raises:
        OptionError: ``RTMON_URL`` is not the address of an admin listener.
        ChildEnded: the demo could not be started.
    """
    url = os.environ.get(URL_VARIABLE)
    if not url:
        demo = demo_source()
        atexit.register(demo.close)
        url = demo.url
    return open_feed(url)
