"""Channel patterns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtmon.errors import ProtocolError
from rtmon.protocol.channel_patterns import matches

CASES = json.loads((Path(__file__).parent / "channel_matching.json").read_text(encoding="utf-8"))
"""Pattern, channel, and whether they match; the browser client is tested with them, too."""


@pytest.mark.parametrize(("pattern", "channel", "expected"), CASES)
def test_pattern_matches_the_channels_of_the_table(
    pattern: str,
    channel: str,
    expected: bool,  # noqa: FBT001 - from the table
) -> None:
    """One star stands for one segment, two at the end for one or more; other segments match
    themselves.
    """
    assert matches(pattern, channel) is expected


@pytest.mark.parametrize("pattern", ["a*", "**.a", "a.**b", "***"])
def test_malformed_pattern_is_refused(pattern: str) -> None:
    """A pattern with a star inside a segment, or with two before the end, is refused."""
    with pytest.raises(ProtocolError, match="not a valid pattern"):
        matches(pattern, "a")
