"""Parameters of views in a notebook, and errors for wrong ones."""

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
def test_parameters_become_the_query_of_the_address(
    page: str | None, given: dict[str, Any], expected: str
) -> None:
    """Python names of parameters become the app's names in the address."""
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
def test_unknown_page_parameter_or_value_is_refused(
    page: str | None, given: dict[str, Any], told: str
) -> None:
    """The error is immediate and lists the existing ones."""
    with pytest.raises(OptionError) as refused:
        address(page, given)
    assert told in str(refused.value)


def test_every_page_can_be_a_view() -> None:
    """A notebook can show each page of the dashboard, or one chart."""
    assert set(PARAMETERS) == {*PAGES, "overview", "chart"}


def test_wrong_query_is_refused_when_the_view_is_made() -> None:
    """The error points at the mistake before the view is shown."""
    with rtmon.Monitor() as monitor, pytest.raises(QueryError, match="rtt"):
        monitor.view("connections", query="rtt>fast")


async def test_recording_makes_views(tmp_path: Path) -> None:
    """A recording that is read makes views of itself, with the same checks."""
    await record(tmp_path / "run.rtmon", ticks=3)
    with rtmon.read(tmp_path / "run.rtmon") as run:
        assert re.search(
            r"\?page=events&kind=closed.*run\.rtmon", repr(run.view("events", kind="closed"))
        )
        with pytest.raises(OptionError, match="no page 'nowhere'"):
            run.view("nowhere")


def test_height_has_bounds() -> None:
    """A height too small to show anything is refused."""
    with rtmon.Monitor() as monitor, pytest.raises(OptionError, match="height"):
        monitor.view(height=10)
