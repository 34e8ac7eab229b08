"""A dashboard in which a day passes in minutes; ``panel serve`` runs this for the soak test.

The feed is in its own module: Bokeh empties a script's namespace once its session has expired.
"""

from __future__ import annotations

from rtmon.dashboard.app import page
from tests.browser.simulated_day import Day

page(Day)
