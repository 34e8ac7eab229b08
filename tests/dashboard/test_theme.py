"""Colours of all views: contrast, palette, style sheets."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import rtmon
from rtmon.dashboard.script_bundle import style
from rtmon.views.palette import (
    BAR,
    CLOSE_CODES,
    DARK,
    EITHER,
    HUES,
    LIGHT,
    NOTEBOOK,
    PERCENTILES,
    css,
)
from rtmon.views.server_charts import CHARTS

PACKAGE = Path(rtmon.__file__).parent


def luminance(color: str) -> float:
    """Return the relative luminance of a colour #rrggbb, as defined by WCAG 2."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["text", "soft", "good", "bad", "warn", "accent"])
def test_text_colours_have_a_contrast_of_4_5_on_every_background(
    theme: Mapping[str, str], text: str
) -> None:
    """Text colours have a contrast of 4.5:1 (WCAG AA) to cards, page background and hovered rows in
    both themes.
    """
    for ground in ("card", "ground", "hover"):
        assert contrast(theme[text], theme[ground]) >= 4.5, ground


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_chart_colours_have_a_contrast_of_3_on_cards(theme: Mapping[str, str]) -> None:
    """Chart colours have a contrast of 3:1 (WCAG AA, 1.4.11) to cards in both themes."""
    for hue in HUES:
        assert contrast(hue, theme["card"]) >= 3.0, hue


def test_text_of_saved_images_has_a_contrast_of_4_in_both_themes() -> None:
    """Text colour of saved chart images has a contrast of 4:1 to the card colours of the light and
    the dark theme.
    """
    for theme in (LIGHT, DARK):
        assert contrast(EITHER, theme["card"]) >= 4.0


def test_charts_use_only_colours_of_the_palette() -> None:
    """Charts use only chart colours of the palette, whose contrast other tests check."""
    assert {series.color for chart in CHARTS for series in chart.series} <= set(HUES)


# Matrices that simulate full deuteranopia and protanopia: Machado, Oliveira and Fernandes, 2009,
# table 1.
BLINDNESS = {
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
}


def linear(color: str) -> list[float]:
    """Return the linear red, green and blue of a colour #rrggbb, each from 0 to 1."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def lab(rgb: list[float]) -> tuple[float, float, float]:
    """Return the CIE L*a*b* values of a linear sRGB colour for the white point D65."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(a * b for a, b in zip(row, rgb, strict=True)) for row in rows]
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (xyz[0] / 0.95047, xyz[1], xyz[2] / 1.08883)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("kind", BLINDNESS)
def test_percentile_colours_are_distinct_for_colour_blind_viewers(kind: str) -> None:
    """Percentile colours have a CIE76 colour difference of at least 35 for viewers with
    deuteranopia or protanopia; a difference of 2.3 is just noticeable.
    """

    def seen(color: str) -> tuple[float, float, float]:
        rgb = linear(color)
        mixed = [sum(a * b for a, b in zip(row, rgb, strict=True)) for row in BLINDNESS[kind]]
        return lab([min(1.0, max(0.0, part)) for part in mixed])

    for one, other in itertools.combinations(PERCENTILES.values(), 2):
        assert math.dist(seen(one), seen(other)) >= 35, (one, other)


COLOR = re.compile(r"#[0-9a-fA-F]{3,8}\b|%23[0-9a-fA-F]{6}\b|\brgba?\(|\bhsla?\(")


def test_colours_are_defined_only_in_the_palette() -> None:
    """Colour values occur in views/palette.py and in no other style sheet, script or module of a
    view.
    """
    rooms = ("views", "dashboard", "display", "reporting", "terminal", "lab", "cli")
    files = [path for room in rooms for path in (PACKAGE / room).rglob("*.*")]
    texts = {
        path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8")
        for path in files
        if path.suffix in {".py", ".css", ".js", ".html"}
    }
    assert [name for name, text in texts.items() if COLOR.search(text)] == ["views/palette.py"]


def test_every_colour_of_the_style_sheets_is_defined() -> None:
    """Every colour that a style sheet uses is defined, both on the dashboard page and in a
    notebook.
    """
    sheets = {
        room: "".join(path.read_text("utf-8") for path in (PACKAGE / room).rglob("*.css"))
        for room in ("views", "dashboard", "display")
    }
    notebook = "".join(map(css, (NOTEBOOK, BAR, CLOSE_CODES)))
    for own, colors in (("dashboard", style()), ("display", notebook)):
        parts = (sheets["views"] if own == "display" else "") + sheets[own] + colors
        used = re.findall(r"var\((--rt-[\w-]+)\)", parts)
        defined = set(re.findall(r"(--rt-[\w-]+):", colors))
        assert set(used) - defined <= {"--rt-font"}, own
