"""Matching of channel names against channel patterns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtmon.errors import ProtocolError
from rtmon.protocol.channel_patterns import matches

CASES = json.loads((Path(__file__).parent / "channel_matching.json").read_text(encoding="utf-8"))
"""Pattern, channel, and True if they match; the JavaScript client's tests use the same file."""


@pytest.mark.parametrize(("pattern", "channel", "expected"), CASES)
def test_channel_pattern_matches_one_segment_per_star_and_several_per_final_double_star(
    pattern: str,
    channel: str,
    expected: bool,  # noqa: FBT001 - a test parameter
) -> None:
    """Channel pattern matches any one segment with ``*``, one or more final segments with
    ``**``, and other segments literally.
    """
    assert matches(pattern, channel) is expected


@pytest.mark.parametrize("pattern", ["a*", "**.a", "a.**b", "***"])
def test_malformed_channel_pattern_raises_protocol_error(pattern: str) -> None:
    """Channel pattern with a star inside a segment, or ``**`` before the end, raises
    ProtocolError.
    """
    with pytest.raises(ProtocolError, match="not a valid pattern"):
        matches(pattern, "a")
