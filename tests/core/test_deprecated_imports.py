"""Old import paths: they give the same modules, and warn with the new path."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from rtmon.core.deprecated_imports import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_old_path_gives_the_new_module_and_warns(old: str, new: str) -> None:
    """An old import path gives the same module object, and warns with the new name."""
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new};"):
        found = importlib.import_module(old)
    assert found is importlib.import_module(new)
    assert found.__spec__ is not None
    assert found.__spec__.name == new


def test_module_inside_a_moved_package_is_loaded_once() -> None:
    """A module inside a moved package is the same module under both paths."""
    with pytest.warns(DeprecationWarning, match=r"is now rtmon\.servers\.fanout\.shared_frames"):
        old = importlib.import_module("rtmon.fanout.shared_frames")
    assert old is importlib.import_module("rtmon.servers.fanout.shared_frames")


def test_old_path_is_never_a_module_again() -> None:
    """No new module takes the name of an old import path."""
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
    """Run code in a fresh process in which warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_old_path_is_an_error_where_warnings_are() -> None:
    """With ``-W error`` an import of an old path raises, and names the new path and the line."""
    done = run("from rtmon.fanout import Group")
    assert done.returncode == 1
    assert "DeprecationWarning: rtmon.fanout is now rtmon.servers.fanout" in done.stderr
    assert 'File "<string>", line 1' in done.stderr


def test_public_names_give_no_warning() -> None:
    """With ``-W error`` every public name of rtmon can be imported."""
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
def test_old_path_has_the_names_that_were_documented(old: str, names: list[str]) -> None:
    """An old import path has every name that docs, notebooks and examples imported from it."""
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now"):
        module = importlib.import_module(old)
    assert all(hasattr(module, name) for name in names)
