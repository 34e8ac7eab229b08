"""The query language of tables: which rows a condition selects, and where its errors are."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.errors import QueryError
from rtmon.feeds.query_language import parse
from rtmon.metrics.records import ChannelInfo, ConnectionInfo, Event

ADA = ConnectionInfo(
    id="c1",
    name="Ada L",
    user="ada",
    path="/chat",
    remote="[2001:db8::1]:5000",
    rtt=0.25,
    send_queue=70_000,
    queue_age=None,
    state="closed",
    close_code=1006,
    cause="ping timeout",
    user_agent='say "hi" \\ [x]?',
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("   ", True),
        ('path:/chat rtt>200ms waiting>64KB user:ada code:1006 cause:"ping timeout"', True),
        ("path:/chat path:/echo", False),
        ("path:/CH*", True),
        ("path:*at", True),
        ("path:ch", False),
        ("rtt>0.25", False),
        ("rtt>=0.25", True),
        ("rtt<250.1ms", True),
        ("rtt<=249ms", False),
        ("rtt:250ms", True),
        ("waiting>70KB", False),
        ("waiting>68KiB", True),
        ("send_queue<1MB", True),
        ("queue_age>0", False),
        ("queue_age<1h", False),
        ("queue_age:null", True),
        ("-queue_age:null", False),
        ('user:"null"', False),
        ("-state:open", True),
        ("-state:closed", False),
        ("ada", True),
        ('"Ada L"', True),
        ("CHAT", True),
        ("2001:db8::", True),
        ("carl", False),
        ("-carl", True),
        ("address:2001:db8::/64", True),
        (r'agent:"say \"hi\" \\ [x]?"', True),
        (r'agent:"*[x]?"', True),
        (r'agent:"*[y]?"', False),
        ("subprotocol:*", False),
    ],
)
def test_query_text_selects_a_row_that_meets_all_its_terms(text: str, *, holds: bool) -> None:
    """Table query selects a row that meets all terms of the query text, and a comparison is false
    when the row's column is null.
    """
    assert parse(text)(ADA) is holds


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("path:/chat rttt>2", "no column 'rttt'", 11),
        ("rtt>2 path>3", "path is a text", 6),
        ("-rtt>x", "rtt is a number", 5),
        ("rtt>20KB", "'KB' is no unit of rtt: us", 6),
        ("code:1006s", "'s' is no unit of close_code: none", 9),
        ("rtt>", "a value is missing", 4),
        ("path:/a rtt> 5", "a value is missing", 12),
        ("-", "a value is missing", 1),
        ('ada "abc', "a quote that is not closed", 4),
        ('a"b"', "a quote that is not closed, or one within a word", 0),
    ],
)
def test_query_error_shows_the_position_of_the_mistake(
    text: str, problem: str, position: int
) -> None:
    """QueryError for a wrong table query gives the position of the mistake, and its message ends
    with a mark below this position.
    """
    with pytest.raises(QueryError, match="(?s)" + problem) as caught:
        parse(text)
    assert caught.value.position == position
    assert str(caught.value).splitlines()[-1] == f"  {' ' * position}^"


def test_query_on_a_column_of_another_table_is_refused() -> None:
    """Table query on channels or events uses that table's columns, and raises QueryError for a
    column of another table.
    """
    event = Event(seq=1, time=5.0, kind="closed", code=1006, detail="ping timeout, by this side")
    assert parse("kind:closed code:1006 reason:ping*", "events")(event)
    assert parse("subscribers>=3 room", "channels")(ChannelInfo(channel="room:x", subscribers=3))
    with pytest.raises(QueryError, match="channels have no column 'rtt'; there are channel"):
        parse("rtt>3", "channels")


@given(st.text(max_size=40))
def test_any_query_text_is_valid_or_raises_query_error(text: str) -> None:
    """Parsing any text as a query raises no other exception than QueryError."""
    with contextlib.suppress(QueryError):
        parse(text)(ADA)


@given(st.text(max_size=20))
def test_quoted_query_text_matches_the_same_text(text: str) -> None:
    """Quoted table query text with any characters except the star matches a column with the
    same text.
    """
    if "*" in text:
        return
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse(f'name:"{quoted}"')(ConnectionInfo(id="c1", name=text))
