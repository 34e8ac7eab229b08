"""Close codes as HTML bars with names and counts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ..protocol.close import describe
from ..views.number_format import exact
from ..views.table_rows import judge

__all__ = ["html"]

SHOWN = 6
"""Maximum number of bars. Less frequent close codes are summed up in one line."""


def html(codes: Mapping[int, int]) -> str:
    """Return HTML with one bar for each of the most frequent close codes.

    Args:
        codes: close code → number of connections that ended with this code.
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
