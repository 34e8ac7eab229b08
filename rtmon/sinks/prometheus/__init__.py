"""A Monitor's metrics for Prometheus; needs the extra ``prometheus``.

The admin listener serves the metrics at ``/metrics``. To expose them in another way, use
:func:`registry`.

There are no counters for Prometheus only. At each scrape, a collector reads the totals that the
last tick published. So a scrape costs the same with one connection and with ten thousand. The
metrics are made from :data:`rtmon.metrics.columns.SAMPLE`; unknown values are omitted.

The number of label values is bounded, and no label identifies a connection. An application's own
close codes and a hub's channels can be many: the first :data:`rtmon.metrics.columns.LABELS` of each
have their own time series, and all others share the label ``other``. The Socket.IO probe bounds the
labels of Socket.IO metrics.
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
