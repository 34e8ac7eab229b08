"""The live dashboard.

Serve it with ``RTMON_URL=ws://127.0.0.1:8766 panel serve dashboards/live.py``; without the
variable it shows a demo.
"""

from __future__ import annotations

from rtmon.dashboard.app import page
from rtmon.dashboard.feed_source import demo_notice, from_environment

page(from_environment, notice=demo_notice())
