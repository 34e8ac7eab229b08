"""Colours of all views, from which their style sheets are generated.

A colour has the same meaning on all charts. Blue is inbound traffic, and orange is outbound
traffic. Green, amber and magenta are p50, p95 and p99. Violet is the value of a gauge, and red is
an error. On light and on dark backgrounds, each of these colours has a contrast of at least 3:1,
and texts have a contrast of at least 4.5:1 (WCAG AA).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "AMBER",
    "BAR",
    "BLUE",
    "CLOSE_CODES",
    "DARK",
    "EITHER",
    "GREEN",
    "GREY",
    "HUES",
    "LIGHT",
    "MAGENTA",
    "NOTEBOOK",
    "ORANGE",
    "PERCENTILES",
    "RED",
    "VIOLET",
    "css",
]

VIOLET = "#8b5cf6"
BLUE = "#3b82f6"
ORANGE = "#ea6a0c"
GREEN = "#16907a"
AMBER = "#c88200"
RED = "#ef4444"
MAGENTA = "#e11fd8"
GREY = "#94a3b8"
EITHER = "#787d86"
"""Text colour for a background that may be light or dark: a contrast of 4:1 against both."""

HUES = (VIOLET, BLUE, ORANGE, GREEN, AMBER, MAGENTA, RED)
"""Colours of highlighted series; series in the background are grey."""

PERCENTILES: Mapping[int, str] = {50: GREEN, 95: AMBER, 99: MAGENTA}
"""Percentile (50, 95 or 99) → its colour; people with red-green blindness can tell them apart."""

CLOSE_CODES: Mapping[str, str] = {
    "close-good": GREEN,
    "close-odd": AMBER,
    "close-bad": RED,
    "close-own": VIOLET,
}
"""Colours of the bars of close codes: CSS class → colour. The class is the result of
:func:`~rtmon.views.table_rows.judge` after ``close-``."""

LIGHT: Mapping[str, str] = {
    "ground": "#eef0f4",
    "card": "#ffffff",
    "text": "#12161c",
    "soft": "#586273",
    "line": "#dfe3ea",
    "hover": "#f3f5f9",
    "good": "#08734b",
    "bad": "#c02525",
    "warn": "#8a5200",
    "accent": "#2157d8",
    "shadow": "0 1px 2px rgb(16 24 40 / 6%)",
    "float": "0 8px 24px rgb(0 0 0 / 18%)",
    "veil": "rgb(0 0 0 / 45%)",
}
"""Light theme: name of a CSS custom property without ``--rt-`` → colour of a surface or text."""

DARK: Mapping[str, str] = {
    "ground": "#0d1015",
    "card": "#161b22",
    "text": "#f0f3f7",
    "soft": "#9ba7b6",
    "line": "#2a313b",
    "hover": "#1d242d",
    "good": "#3ddc97",
    "bad": "#ff7b7b",
    "warn": "#f7c04a",
    "accent": "#6ea8ff",
    "shadow": "none",
    "float": "0 8px 24px rgb(0 0 0 / 50%)",
    "veil": "rgb(0 0 0 / 60%)",
}
"""Dark theme: the same names as :data:`LIGHT`, with dark colours."""


def _mixed(color: str, percent: int, other: str = "--rt-card") -> str:
    return f"color-mix(in srgb, {color} {percent}%, var({other}))"


NOTEBOOK: Mapping[str, str] = {
    "card": f"var(--jp-layout-color1, var(--vscode-editor-background, {LIGHT['card']}))",
    "text": f"var(--jp-ui-font-color1, var(--vscode-editor-foreground, {LIGHT['text']}))",
    "ground": "var(--rt-card)",
    "soft": _mixed("var(--rt-text)", 72),
    "line": _mixed("var(--rt-text)", 16),
    "hover": _mixed("var(--rt-text)", 6),
    "good": _mixed(GREEN, 72, "--rt-text"),
    "bad": _mixed(RED, 76, "--rt-text"),
    "warn": _mixed(AMBER, 72, "--rt-text"),
    "accent": _mixed(BLUE, 80, "--rt-text"),
    "shadow": "none",
    "float": LIGHT["float"],
    "veil": LIGHT["veil"],
}
"""Colours in a notebook: the same names as :data:`LIGHT`, with colours that are computed from the
theme of JupyterLab or VS Code."""

BAR: Mapping[str, str] = {
    "bar": "#0f172a",
    "bar-text": "#f1f5f9",
    "bar-soft": "#a9b5c6",
    "bar-tool": "#e2e8f0",
    "bar-tint": "#94a3b8",
    "bar-focus": "#7dd3fc",
    "brand": "#38bdf8",
    "pill": "#cbd5e1",
    "pill-good": "#4ade80",
    "pill-warn": "#fbbf24",
    "pill-bad": "#fca5a5",
    "banner": "#fcd34d",
    "banner-text": "#1c1300",
    "banner-bad": "#b91c1c",
    "banner-good": "#08734b",
    "banner-ended": "#475569",
    "banner-strong-text": "#ffffff",
}
"""Colours of a view's header bar, status label and banner; the header is dark in both themes."""


def css(colors: Mapping[str, str]) -> str:
    """Return CSS declarations of custom properties for colours: ``--rt-card: #ffffff; …``."""
    return " ".join(f"--rt-{name}: {color};" for name, color in colors.items())
