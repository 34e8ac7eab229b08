"""The saved output of a notebook cell that shows a dashboard view."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from rtmon.display.notebook_dashboard import FeedPicture
from rtmon.display.saved_output import MARK, of_picture
from tests.synthetic import SyntheticFeed

LARGEST = 300_000
"""Largest size of a saved output in bytes."""


class Parts(HTMLParser):
    """Parser that collects the elements of an HTML output with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def feed() -> SyntheticFeed:
    """Return a feed with more points than an output shows."""
    return SyntheticFeed(ago=310)


def output(feed: SyntheticFeed) -> dict[str, str]:
    """Return the output of a view that has received the whole feed."""
    picture = FeedPicture(feed)
    picture.update()
    data: dict[str, str] = of_picture(picture, view="v1", kernel="k1")
    return data


def test_saved_output_is_smaller_than_300_kb_and_names_no_other_host(feed: SyntheticFeed) -> None:
    """Saved notebook output of a dashboard view is smaller than 300 kB and contains no URL of
    another host.
    """
    html = output(feed)["text/html"]
    assert len(html.encode()) < LARGEST
    outside = set(re.findall(r"(?:https?|wss?)://[^\s\"'&<]+", html))
    assert outside <= {"ws://127.0.0.1:8766"}, "the source's own name"
    sources = [attrs.get("src") or attrs.get("href") for _, attrs in Parts(html).found]
    assert all(source.startswith("data:image/svg+xml") for source in sources if source)


def test_saved_output_shows_its_time_and_four_charts_without_scripts(feed: SyntheticFeed) -> None:
    """Saved notebook output of a dashboard view shows without scripts since when it is not
    live, and four charts as SVG images with a text.
    """
    html = output(feed)["text/html"]
    assert re.search(r"Not live since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", html)
    images = [attrs for tag, attrs in Parts(html).found if tag == "img"]
    assert len(images) == 4
    for image in images:
        assert image["alt"]
        data = base64.b64decode((image["src"] or "").partition(",")[2])
        assert ET.fromstring(data).tag.endswith("svg")  # noqa: S314 - SVG that rtmon has drawn


def test_saved_output_escapes_a_hostile_server_name() -> None:
    """Saved notebook output of a dashboard view escapes markup in a server's name."""
    feed = SyntheticFeed(ago=5)
    evil = "</script><img src=x onerror=alert(1)>"
    feed.state = type(feed.state)(state="live", source=evil, node=f'"{evil}')
    html = output(feed)["text/html"]
    tags = [(tag, attrs.get("onerror")) for tag, attrs in Parts(html).found]
    assert not [tag for tag, handler in tags if handler]
    assert html.count("</script>") == 1


def test_saved_output_has_a_text_line_and_its_own_mime_type(feed: SyntheticFeed) -> None:
    """Saved notebook output of a dashboard view has, beside HTML, a line of plain text and data
    under rtmon's own MIME type.
    """
    data = output(feed)
    assert data["text/plain"].startswith("rtmon: ")
    assert data[MARK] == {"view": "v1"}
