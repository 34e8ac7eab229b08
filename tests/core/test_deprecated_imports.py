"""Old import paths, which give the moved modules with a deprecation warning."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from rtmon.core.deprecated_imports import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_old_import_path_gives_the_new_module_with_a_deprecation_warning(
    old: str, new: str
) -> None:
    """Import from an old path gives the new module, with a DeprecationWarning that has the new
    path.
    """
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new};"):
        found = importlib.import_module(old)
    assert found is importlib.import_module(new)
    assert found.__spec__ is not None
    assert found.__spec__.name == new


def test_module_inside_a_moved_package_is_loaded_once() -> None:
    """Module inside a moved package is the same object under its old and its new path."""
    with pytest.warns(DeprecationWarning, match=r"is now rtmon\.servers\.fanout\.connection_group"):
        old = importlib.import_module("rtmon.fanout.connection_group")
    assert old.Group is importlib.import_module("rtmon.servers.fanout").Group


def test_no_module_has_the_name_of_an_old_import_path() -> None:
    """Package ``rtmon`` has no module under the name of an old import path."""
    finders = [
        finder
        for finder in sys.meta_path
        if type(finder).__module__ != "rtmon.core.deprecated_imports"
    ]
    for old in MOVED:
        package = importlib.import_module(old.rpartition(".")[0])
        specs = [finder.find_spec(old, package.__path__) for finder in finders]
        assert not any(specs), old


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new Python process in which warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_old_import_path_raises_when_warnings_are_errors() -> None:
    """Import from an old path raises under ``python -W error``, with the new path and the line
    of the import.
    """
    done = run("from rtmon.fanout import Group")
    assert done.returncode == 1
    assert "DeprecationWarning: rtmon.fanout is now rtmon.servers.fanout" in done.stderr
    assert 'File "<string>", line 1' in done.stderr


def test_public_names_of_rtmon_give_no_warning() -> None:
    """Public names of ``rtmon`` can all be imported under ``python -W error``."""
    done = run("import rtmon\nfor name in rtmon.__all__: getattr(rtmon, name)")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("old", "names"),
    [
        ("rtmon.backpressure", ["POLICIES"]),
        ("rtmon.fanout", ["Group", "broadcast"]),
        ("rtmon.hub.access", ["Allow"]),
        ("rtmon.hub.auth", ["JWT", "Credentials", "User"]),
        ("rtmon.hub.session", ["Session"]),
        ("rtmon.protocol.incoming", ["Position"]),
    ],
)
def test_old_import_path_has_the_documented_names(old: str, names: list[str]) -> None:
    """Old import path has every name that docs, notebooks and examples imported from it."""
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now"):
        module = importlib.import_module(old)
    assert all(hasattr(module, name) for name in names)
