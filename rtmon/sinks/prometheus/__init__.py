"""A Monitor's metrics for Prometheus; needs the extra ``prometheus``.

The admin listener serves the metrics at ``/metrics``. To expose them in another way, use
:func:`registry`.

Nothing is counted a second time. At each scrape, a collector reads the totals that the last tick
published. So a scrape costs the same with one connection and with ten thousand. The metrics are
made from :data:`rtmon.metrics.columns.SAMPLE`; unknown values are omitted.

The number of label values is bounded. No label identifies a connection. Of an application's own
close codes, and of a hub's channels, the first :data:`rtmon.metrics.columns.LABELS` have their own
series. Labels of Socket.IO metrics are bounded by the Socket.IO probe.
"""

from __future__ import annotations

from ...errors import MissingExtra

try:
    import prometheus_client  # noqa: F401 - to check that it is installed
except ImportError:
    raise MissingExtra("/metrics", "prometheus_client", "prometheus") from None

from .collector import exposition, families, registry
from .histogram_buckets import BOUNDS

__all__ = ["BOUNDS", "exposition", "families", "registry"]
