"""Dashboard of a simulated server whose clock runs fast; ``panel serve`` runs it for the soak test.

The feed is in a module of its own, because Bokeh empties a script's namespace once its session has
expired.
"""

from __future__ import annotations

from rtmon.dashboard.app import page
from tests.browser.simulated_day import Day

page(Day)
