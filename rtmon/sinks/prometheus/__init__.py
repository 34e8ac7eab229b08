"""A Monitor's numbers for Prometheus; needs the extra ``prometheus``.

The admin listener serves them at ``/metrics``. Whoever exposes metrics by other means takes
:func:`registry`.

Nothing is counted twice: a collector reads the totals that the last tick published when it is
scraped, so a scrape costs the same with one connection and with ten thousand. Which metrics
there are follows from :data:`rtmon.metrics.columns.SAMPLE`; what is not known is left out.

Labels are bounded. No label holds what tells one connection from another, and of the close
codes that applications choose, and of a hub's channels, the first
:data:`rtmon.metrics.columns.LABELS` have a series of their own. What is particular to Socket.IO
has the bounds of its probe.
"""

from __future__ import annotations

from ...errors import MissingExtra

try:
    import prometheus_client  # noqa: F401 - only to say clearly that it is missing
except ImportError:
    raise MissingExtra("/metrics", "prometheus_client", "prometheus") from None

from .buckets import BOUNDS
from .collector import exposition, families, registry

__all__ = ["BOUNDS", "exposition", "families", "registry"]
