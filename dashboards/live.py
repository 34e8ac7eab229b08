"""Script for ``panel serve`` that shows the live dashboard of a server.

Start it with ``RTMON_URL=ws://127.0.0.1:8766 panel serve dashboards/live.py``. ``RTMON_URL`` is the
address of the server's admin listener. Without ``RTMON_URL``, the dashboard shows a demo.
"""

from __future__ import annotations

from rtmon.dashboard.app import page
from rtmon.dashboard.feed_source import demo_notice, from_environment

page(from_environment, notice=demo_notice())
