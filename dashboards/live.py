"""Script of the live dashboard, for ``panel serve``.

Run ``RTMON_URL=ws://127.0.0.1:8766 panel serve dashboards/live.py``. Without ``RTMON_URL``, the
dashboard shows a demo server with simulated users.
"""

from __future__ import annotations

from rtmon.dashboard.app import page
from rtmon.dashboard.feed_source import demo_notice, from_environment

page(from_environment, notice=demo_notice())
