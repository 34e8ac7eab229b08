from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.fanout import mix


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kinds=mix.members, script=mix.steps)
def test_nothing_is_lost_or_overtaken(kinds: list[tuple[str, str]], script: list[Any]) -> None:
    """Whatever else a connection sends or suffers, its client reads, byte for byte, each message
    of its groups once and in order, before what the connection sent later; what it could not be
    written was handed back; and all counters equal what the clients have read.
    """
    asyncio.run(mix.Mix().run(kinds, script))
