"""A Monitor's numbers for Prometheus; needs the extra ``prometheus``.

The admin listener serves them at ``/metrics``. To expose metrics by other means, use
:func:`registry`.

Nothing is counted twice: a collector reads the totals that the last tick published when it is
scraped, so a scrape costs the same with one connection and with ten thousand. The
metrics follow from :data:`rtmon.metrics.columns.SAMPLE`; unknown values are left out.

Labels are bounded. No label identifies a connection. Of applications' own close codes and of a
hub's channels, the first :data:`rtmon.metrics.columns.LABELS` have a series of their own. Socket.IO
metrics have the bounds of their probe.
"""

from __future__ import annotations

from ...errors import MissingExtra

try:
    import prometheus_client  # noqa: F401 - only to say clearly that it is missing
except ImportError:
    raise MissingExtra("/metrics", "prometheus_client", "prometheus") from None

from .collector import exposition, families, registry
from .histogram_buckets import BOUNDS

__all__ = ["BOUNDS", "exposition", "families", "registry"]
