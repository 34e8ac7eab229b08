"""What `rtmon.notebook.start` enters, and that it ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rtmon import Monitor, notebook


@pytest.fixture(autouse=True)
def _in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is started is remembered on a shell, of which this is one."""
    shell: Any = SimpleNamespace()
    monkeypatch.setattr(notebook, "_shell", lambda: shell)


async def test_monitor_closes_when_it_is_stopped_or_started_anew() -> None:
    """A Monitor that was started is closed by ``stop``, and by another one of its name."""
    first = await notebook.start(Monitor(), name="monitor")
    second = await notebook.start(Monitor(), name="monitor")
    assert (first.closed, second.closed) == (True, False)
    await notebook.stop()
    assert second.closed
