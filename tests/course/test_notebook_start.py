"""`rtmon.notebook.start`: started objects are closed when stopped or replaced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rtmon import Monitor, notebook


@pytest.fixture(autouse=True)
def _in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a fake IPython shell, on which `start` stores the started objects."""
    shell: Any = SimpleNamespace()
    monkeypatch.setattr(notebook, "_shell", lambda: shell)


async def test_started_monitor_closes_when_it_is_stopped_or_replaced() -> None:
    """Monitor started in a notebook by start() is closed by stop(), and by the next start() under
    the same name.
    """
    first = await notebook.start(Monitor(), name="monitor")
    second = await notebook.start(Monitor(), name="monitor")
    assert (first.closed, second.closed) == (True, False)
    await notebook.stop()
    assert second.closed
