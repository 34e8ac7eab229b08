from __future__ import annotations

import re

import pytest

from rtmon.dashboard.theme import COLORS, asset


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb, by WCAG 2."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """How well one colour can be told from another, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the page, light and dark."""
    light, dark = re.findall(r"\{\s*color-scheme[^}]*\}", asset("page.css"))
    return {
        name: dict(re.findall(r"--rt-(\w+): (#\w{6});", block))
        for name, block in (("light", light), ("dark", dark))
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("text", ["text", "soft", "good", "bad", "warn", "accent"])
def test_text_can_be_read(theme: str, text: str) -> None:
    """Every colour of text stands out by 4.5:1 (WCAG AA) from cards, ground and hovered rows."""
    colors = palettes()[theme]
    for ground in ("card", "ground", "hover"):
        assert contrast(colors[text], colors[ground]) >= 4.5, ground


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_can_be_seen(theme: str) -> None:
    """The lines of the charts stand out from their cards by 3:1 (WCAG AA, 1.4.11)."""
    for meaning, color in COLORS.items():
        assert contrast(color, palettes()[theme]["card"]) >= 3.0, meaning
