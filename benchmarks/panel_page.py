"""A page to compare the dashboard with: a Bokeh session sends each browser tab the same frame.

``panel serve`` runs this script. The environment variable ``RTMON_URL`` names the monitored server.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from typing import ClassVar

import msgspec
import panel as pn
import param
from panel.custom import JSComponent

from rtmon.feeds import open_feed
from rtmon.views.tick_update import TickUpdateMaker


class Numbers(JSComponent):
    """A component that receives the newest frame once a second."""

    frame = param.String(default="")

    _esm: ClassVar[str] = """
    export function render({model, el}) {
      model.on("frame", () => { el.textContent = model.frame })
    }
    """


if "maker" not in pn.state.cache:
    feed = pn.state.cache["feed"] = open_feed(os.environ["RTMON_URL"])
    loop = asyncio.get_running_loop()
    pn.state.cache["start"] = loop.create_task(feed.start(), context=contextvars.Context())
    pn.state.cache["maker"] = TickUpdateMaker(feed)

numbers = Numbers()


def newest() -> str:
    """Return the newest frame, made and encoded once per tick for all tabs."""
    maker: TickUpdateMaker = pn.state.cache["maker"]
    latest = pn.state.cache["feed"].latest()
    seq = latest.seq if latest is not None else 0
    if pn.state.cache.get("newest", (None,))[0] != seq:
        pn.state.cache["newest"] = seq, msgspec.json.encode(maker.update()).decode()
    return str(pn.state.cache["newest"][1])


def update() -> None:
    """Send the newest frame to this tab."""
    with pn.io.hold():
        numbers.frame = newest()


pn.state.add_periodic_callback(update, period=1000)
numbers.servable()
