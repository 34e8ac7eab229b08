"""The rooms of the house and which may know which; docs/architecture.md says it in words."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rtmon"

ROOMS = (
    "errors",
    "checks",
    "clock",
    "metrics",
    "protocol",
    "backoff",
    "batching",
    "backpressure",
    "guarding",
    "frames",
    "wholefile",
    "listening",
    "pages",
    "attachment",
    "gauges",
    "ticker",
    "monitor",
    "probes",
    "fanout",
    "sinks",
    "feeds",
    "admin",
    "hub",
    "server",
    "asgi",
    "exporting",
    "reporting",
    "client",
    "lab",
    "processes",
    "summary",
    "terminal",
    "dashboard",
    "notebook",
    "testing",
    "course",
    "cli",
)
"""From the ground up: a room may know the rooms above it in this list."""

BOUNDS = {
    "metrics": {"errors"},
    "protocol": {"errors"},
    # A hub runs without a Monitor, a Monitor and its probes without a hub.
    "hub": {
        "errors",
        "checks",
        "metrics",
        "protocol",
        "backoff",
        "batching",
        "pages",
        "backpressure",
        "guarding",
        "fanout",
    },
    "monitor": set(ROOMS) - {"protocol", "hub"},
    "probes": {"errors", "clock", "metrics", "protocol", "monitor", "guarding"},
    # It speaks to a hub as anybody's client does.
    "client": {
        *("errors", "checks", "clock", "protocol", "backoff", "batching"),
        *("metrics", "monitor", "probes"),
    },
    # The simulated users are as foreign to the server as anybody's clients.
    "lab": {"errors", "checks", "protocol", "backoff", "metrics"},
    # What a close code means is explained in protocol; the demo that is shown when nothing else
    # is there is a process.
    "dashboard": {"errors", "feeds", "metrics", "protocol", "processes", "summary"},
    "summary": {"feeds", "metrics", "protocol"},
    "terminal": {"feeds", "summary"},
}
"""What these rooms may know at most."""

LATE = {("monitor", "dashboard"), ("monitor", "feeds")}
"""To show itself in a notebook, a Monitor reaches up; but only then."""

PURE = ("metrics", "protocol", "errors", "checks", "backoff", "batching", "backpressure")
"""Rooms that do no input or output: what they are told is all they know, the time too."""

IMPURE_MODULES = {"asyncio", "os", "socket", "subprocess", "time", "websockets"}

EXTRAS = {
    "bokeh",
    "engineio",
    "numpy",
    "pandas",
    "panel",
    "prometheus_client",
    "redis",
    "socketio",
    "sse_starlette",
    "starlette",
    "tornado",
    "uvicorn",
    "uvloop",
}

OPTIONAL = (
    "rtmon.asgi",
    "rtmon.dashboard",
    "rtmon.hub.brokers.redis",
    "rtmon.hub.transports.asgi",
    "rtmon.hub.transports.socketio",
    "rtmon.hub.transports.socketio_peer",
    "rtmon.hub.transports.socketio_server",
    "rtmon.hub.transports.sse",
    "rtmon.lab.views.charts",
    "rtmon.lab.views.controls",
    "rtmon.lab.views.picture",
    "rtmon.sinks.prometheus",
)
"""Modules that need an extra as a whole; they say so when it is missing."""


@dataclass(frozen=True)
class Import:
    """An import statement: who imports what, and whether only when a function is called."""

    module: str
    target: str
    late: bool

    @property
    def room(self) -> str:
        """The room that imports."""
        return room(self.module)


def modules() -> dict[str, Path]:
    """Dotted name → file, of every module."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """The room a module belongs to; empty for rtmon itself, and for what is not rtmon's."""
    package, name, *_ = [*module.split("."), ""]
    return name if package == "rtmon" else ""


def imports() -> Iterator[Import]:
    """All imports, except those that only a type checker makes."""
    for module, path in modules().items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        yield from walk(ast.parse(path.read_text(encoding="utf-8")), module, package, late=False)


def walk(node: ast.AST, module: str, package: str, *, late: bool) -> Iterator[Import]:
    """The imports in a part of a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, late)
        elif isinstance(child, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - child.level + 1]
            source = ".".join([*(base if child.level else []), *filter(None, [child.module])])
            for alias in child.names:
                name = f"{source}.{alias.name}"
                yield Import(module, name if source == "rtmon" else source, late)
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, module, package, late=late or function)


ALL = list(imports())
INSIDE = [one for one in ALL if one.room in ROOMS and room(one.target) in ROOMS]


def test_every_room_has_its_place() -> None:
    """Every part of the package stands in the list of rooms, and the list holds nothing else."""
    there = {room(module) for module in modules()} - {"", "__main__"}
    assert there == set(ROOMS)


def test_imports_go_up() -> None:
    """A room imports only rooms above it."""
    wrong = [
        one
        for one in INSIDE
        if ROOMS.index(room(one.target)) > ROOMS.index(one.room)
        and not (one.late and (one.room, room(one.target)) in LATE)
    ]
    assert not wrong


def test_bounds() -> None:
    """The rooms that must stay apart do not import each other, early or late."""
    wrong = [
        one
        for one in INSIDE
        if room(one.target) != one.room and room(one.target) not in BOUNDS.get(one.room, set(ROOMS))
    ]
    assert not wrong


def test_pure_rooms() -> None:
    """The pure rooms import nothing that waits, reads or writes; metrics only the library."""
    outside = [one for one in ALL if one.room in PURE and not one.target.startswith("rtmon")]
    wrong = [
        one
        for one in outside
        if one.target.split(".")[0] in IMPURE_MODULES
        or (one.room == "metrics" and one.target.split(".")[0] not in sys.stdlib_module_names)
    ]
    assert not wrong


def test_a_dashboard_never_sees_a_socket() -> None:
    """Views read a Feed; where its numbers come from is nothing they import."""
    wrong = [
        one
        for one in ALL
        if one.room == "dashboard" and one.target.split(".")[0] in {"socket", "websockets"}
    ]
    assert not wrong


def test_extras_are_imported_late() -> None:
    """What is not a core dependency is imported when it is used, and so is what needs it."""
    wrong = [
        one
        for one in ALL
        if (one.target.split(".")[0] in EXTRAS or one.target.startswith(OPTIONAL))
        and not one.late
        and not one.module.startswith(OPTIONAL)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "code",
    [
        "import rtmon",
        "import rtmon; rtmon.Monitor, rtmon.serve, rtmon.probe, rtmon.Hub",
        "import rtmon.cli",
    ],
)
def test_importing_is_light(code: str) -> None:
    """Without a view or a DataFrame, neither panel nor pandas nor redis is imported."""
    script = f"{code}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not EXTRAS & {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("name", sorted(set(modules()) - {"rtmon.__main__"}))
def test_public_names(name: str) -> None:
    """Every module says what is public in it, and has it."""
    module = importlib.import_module(name)
    body = ast.parse(modules()[name].read_text(encoding="utf-8")).body
    if any(not isinstance(part, ast.Expr | ast.ImportFrom) for part in body):
        assert len(set(module.__all__)) == len(module.__all__)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)


def test_no_public_name_hides_a_module() -> None:
    """What ``rtmon.name`` is does not depend on whether a module of that name was imported."""
    assert not {f"rtmon.{name}" for name in importlib.import_module("rtmon").__all__} & set(
        modules()
    )
