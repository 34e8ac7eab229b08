"""Parameters of dashboard views in a notebook, and errors for wrong parameters."""

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
def test_view_parameters_become_url_parameters(
    page: str | None, given: dict[str, Any], expected: str
) -> None:
    """Python parameters of a notebook view become the URL parameters of the dashboard page."""
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
def test_view_raises_and_lists_valid_choices_for_a_wrong_parameter(
    page: str | None, given: dict[str, Any], told: str
) -> None:
    """Notebook view raises OptionError that lists the valid choices when page, parameter or value
    is wrong.
    """
    with pytest.raises(OptionError) as refused:
        address(page, given)
    assert told in str(refused.value)


def test_every_dashboard_page_can_be_a_notebook_view() -> None:
    """Notebook view can show every page of the dashboard, or one chart."""
    assert set(PARAMETERS) == {*PAGES, "overview", "chart"}


def test_view_raises_when_its_query_is_wrong() -> None:
    """Notebook view raises QueryError when it is created with a wrong query."""
    with rtmon.Monitor() as monitor, pytest.raises(QueryError, match="rtt"):
        monitor.view("connections", query="rtt>fast")


async def test_recording_makes_views_and_refuses_an_unknown_page(tmp_path: Path) -> None:
    """Method view() of a recording makes a notebook view of a dashboard page, and raises
    OptionError for an unknown page.
    """
    await record(tmp_path / "run.rtmon", ticks=3)
    with rtmon.read(tmp_path / "run.rtmon") as run:
        assert re.search(
            r"\?page=events&kind=closed.*run\.rtmon", repr(run.view("events", kind="closed"))
        )
        with pytest.raises(OptionError, match="no page 'nowhere'"):
            run.view("nowhere")


def test_view_raises_when_its_height_is_too_small() -> None:
    """Notebook view raises OptionError when its height is too small."""
    with rtmon.Monitor() as monitor, pytest.raises(OptionError, match="height"):
        monitor.view(height=10)
