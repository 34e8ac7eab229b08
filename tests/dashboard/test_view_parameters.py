"""Views for a notebook: what they take, and what they say of the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rtmon
from rtmon.dashboard.pages import PAGES
from rtmon.dashboard.view_parameters import PARAMETERS, address, search
from rtmon.errors import OptionError, QueryError

from .viewer import record


@pytest.mark.parametrize(
    ("page", "given", "expected"),
    [
        (None, {}, "?page=overview"),
        (None, {"chart": "rtt"}, "?page=chart&chart=rtt"),
        ("latency", {"seconds": 3600}, "?page=latency&range=3600"),
        (
            "connections",
            {"query": "rtt>200ms", "sort": "-rtt", "columns": ["name", "rtt"], "size": 50},
            "?page=connections&where=rtt%3E200ms&sort=-rtt&columns=name%2Crtt&size=50",
        ),
        ("connections", {"by": "path", "sort": "key"}, "?page=connections&by=path&sort=key"),
        ("connection", {"id": "c1"}, "?page=connection&id=c1"),
    ],
)
def test_parameters_have_the_names_of_the_address(
    page: str | None, given: dict[str, Any], expected: str
) -> None:
    """What a program names in a friendly way stands in the address as the app reads it."""
    assert search(address(page, given)) == expected


@pytest.mark.parametrize(
    ("page", "given", "told"),
    [
        ("conections", {}, "overview, connections"),
        ("latency", {"query": "rtt>1s"}, "has no parameter 'query', but seconds"),
        ("connections", {"state": "gone"}, "open, closed, all"),
        ("connections", {"sort": "-speed"}, "messages_in"),
        ("connections", {"columns": "name"}, "a list of columns"),
        ("connections", {"size": 7}, "25, 50, 100, 250"),
        ("connections", {"by": "path", "sort": "rtt"}, "key, open, closed"),
        ("connection", {}, "needs the parameter 'id'"),
        ("connection", {"id": 7}, "a text"),
        (None, {"chart": "speed"}, "rtt"),
        ("overview", {"seconds": 7}, "60, 300, 3600, 86400"),
    ],
)
def test_what_there_is_not_is_refused(page: str | None, given: dict[str, Any], told: str) -> None:
    """An unknown page, parameter or value is an error at once, which lists what there is."""
    with pytest.raises(OptionError) as refused:
        address(page, given)
    assert told in str(refused.value)


def test_every_page_can_be_a_view() -> None:
    """Each page of the dashboard, and one chart, can be shown in a notebook."""
    assert set(PARAMETERS) == {*PAGES, "overview", "chart"}


def test_mistake_in_a_query_is_pointed_at() -> None:
    """A query with an error is refused when the view is made, before it is shown."""
    with rtmon.Monitor() as monitor, pytest.raises(QueryError, match="rtt"):
        monitor.view("connections", query="rtt>fast")


async def test_recording_has_views_too(tmp_path: Path) -> None:
    """A recording that is read makes views of itself, with the same checks."""
    await record(tmp_path / "run.rtmon", ticks=3)
    with rtmon.read(tmp_path / "run.rtmon") as run:
        assert re.search(
            r"\?page=events&kind=closed.*run\.rtmon", repr(run.view("events", kind="closed"))
        )
        with pytest.raises(OptionError, match="no page 'nowhere'"):
            run.view("nowhere")


def test_height_has_bounds() -> None:
    """A height in which nothing could be seen is refused."""
    with rtmon.Monitor() as monitor, pytest.raises(OptionError, match="height"):
        monitor.view(height=10)
