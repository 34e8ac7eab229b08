"""Writes an HTML bar chart of how many connections were closed with each close code."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ..protocol.close import describe
from ..views.number_format import exact
from ..views.table_rows import judge

__all__ = ["html"]

SHOWN = 6
"""Maximum number of bars. One last line shows the total of the rarer close codes."""


def html(codes: Mapping[int, int]) -> str:
    """Return HTML with one bar for each of the most frequent close codes.

    Args:
        codes: close code → number of connections closed with that code.
    """
    ordered = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[:SHOWN], ordered[SHOWN:]
    closed = exact(sum(codes.values()))
    head = f'<div class="head"><h2>Close codes</h2><span>{closed} closed</span></div>'
    if not shown:
        return head + "<p>No connection has closed yet.</p>"
    most = shown[0][1]
    bars = "".join(
        f"<dt><b>{code}</b> {escape(describe(code))}</dt>"
        f'<dd><i class="{judge(code)}" style="--share:{count / most:.3f}"></i>{exact(count)}</dd>'
        for code, count in shown
    )
    if rest:
        bars += f"<dt>{len(rest)} other codes</dt><dd>{exact(sum(n for _, n in rest))}</dd>"
    return f"{head}<dl>{bars}</dl>"
