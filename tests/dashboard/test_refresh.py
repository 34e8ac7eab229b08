from __future__ import annotations

from dataclasses import replace

import panel as pn
from bokeh.document import Document
from bokeh.document.events import ModelChangedEvent
from pyviz_comms import Comm

from rtmon.dashboard.notebook import _repeat
from rtmon.dashboard.pages.overview import Overview
from rtmon.metrics.records import SocketIOInfo
from tests.synthetic import SyntheticFeed


def test_what_changed_before_a_page_was_drawn_is_said_again() -> None:
    """A notebook's page that draws slowly shows how everything is, not how it was at first."""
    feed = SyntheticFeed(ago=0, users=0)
    live, feed.state = feed.state, replace(feed.state, state="connecting")
    view = Overview(feed, notebook=True)
    document = Document()
    document.add_root(view.root.get_root(document, Comm()))
    document.hold("collect")
    feed.state = live
    feed.step()
    feed.socketio = lambda: [SocketIOInfo(kind="namespace", namespace="/")]  # type: ignore[method-assign]
    with pn.io.hold():
        for _ in range(3):  # tables take turns
            view.update()
    document.callbacks._held_events.clear()  # the page was not there yet

    _repeat(view)
    held = document.callbacks._held_events
    said = [event for event in held if isinstance(event, ModelChangedEvent)]
    assert view.bar.freshness["kind"] == "empty"
    assert view.bar.freshness in [event.new for event in said if event.attr == "freshness"]
    tables = {model for model, _ in view.socketio._models.values()}
    assert [event.new for event in said if event.model in tables and event.attr == "visible"] == [
        True
    ]
