"""`rtmon.notebook.start`: the context that it enters, and its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rtmon import Monitor, notebook


@pytest.fixture(autouse=True)
def _in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """An IPython shell, on which started contexts are remembered."""
    shell: Any = SimpleNamespace()
    monkeypatch.setattr(notebook, "_shell", lambda: shell)


async def test_monitor_closes_when_it_is_stopped_or_replaced() -> None:
    """A started Monitor is closed by ``stop``, and by the next start under its name."""
    first = await notebook.start(Monitor(), name="monitor")
    second = await notebook.start(Monitor(), name="monitor")
    assert (first.closed, second.closed) == (True, False)
    await notebook.stop()
    assert second.closed
