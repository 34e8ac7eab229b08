"""The keys of `rtmon top`, and the choices that they change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.terminal.key_bindings import SORTS, KeyChoices, keys


def pressed(text: str, choices: KeyChoices | None = None) -> KeyChoices:
    """Return the choices after these keys were pressed."""
    choices = choices or KeyChoices()
    for key in keys(text):
        choices.press(key)
    return choices


@pytest.mark.parametrize(
    ("typed", "field", "value"),
    [
        ("q", "done", True),
        ("s", "sort", SORTS[(SORTS.index("opened") + 1) % len(SORTS)]),
        ("s" * len(SORTS), "sort", "opened"),
        ("r", "descending", False),
        ("o", "state", "closed"),
        ("oo", "state", None),
        ("ooo", "state", "open"),
        ("p", "paused", True),
        ("pp", "paused", False),
        ("\x1b[B\x1b[B\x1b[A", "offset", 1),
        ("\x1bOB", "offset", 1),
        ("\x1b[6~", "offset", 10),
        ("\x1b[A", "offset", 0),
        ("\x1b[B/", "offset", 0),
    ],
)
def test_key_of_rtmon_top_changes_one_setting_of_the_screen(
    typed: str, field: str, value: object
) -> None:
    """Key of `rtmon top` changes one setting of the screen, such as sort column or connection
    state, and scrolling never goes above the first row.
    """
    assert getattr(pressed(typed), field) == value


def test_slash_key_filters_connections_while_the_user_types() -> None:
    """Slash key of `rtmon top` filters connections while the user types, and after Enter keys are
    commands again.
    """
    choices = pressed("/ádq\x7fa")
    assert (choices.contains, choices.finding, choices.done) == ("áda", True, False)
    assert choices.query(5).contains == "áda"
    assert pressed("\rq", choices).done
    assert choices.contains == "áda"


def test_escape_key_clears_the_filter_of_rtmon_top() -> None:
    """Escape key of `rtmon top` clears the filter."""
    choices = pressed("/ada\x1b")
    assert (choices.contains, choices.finding) == ("", False)


@given(st.text())
def test_any_keys_of_rtmon_top_give_a_valid_query(typed: str) -> None:
    """Any sequence of keys typed in `rtmon top` results in a table query with a valid sort column,
    state and offset.
    """
    query = pressed(typed).query(3)
    assert query.sort in SORTS
    assert query.state in {"open", "closed", None}
    assert query.offset >= 0
