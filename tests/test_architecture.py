"""The packages of rtmon and their allowed imports; docs/architecture.md describes them."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rtmon"

PUBLIC_MODULES = {"__init__", "__main__", "asgi", "errors", "notebook", "testing"}
"""The only modules at the top; all others are in folders."""

_GROUND = {"errors", "core"}
_MEASURED = _GROUND | {"metrics"}
_MONITORED = _MEASURED | {"monitor"}
_READ = _MONITORED | {"feeds", "protocol"}
_VIEWED = _READ | {"views"}
_SERVED = _MONITORED | {"protocol", "hub", "web", "probes", "sinks", "feeds", "servers"}

MAY_IMPORT: Mapping[str, set[str]] = {
    "errors": set(),
    "core": {"errors"},
    "web": set(),
    "metrics": _GROUND,
    "protocol": _GROUND,
    "monitor": _MEASURED,
    "probes": _MONITORED | {"protocol"},
    "sinks": _MONITORED,
    "feeds": _MONITORED,
    "recording": _READ | {"protocol"},
    "views": _READ,
    "dashboard": _VIEWED | {"recording", "display"},
    "display": _VIEWED,
    "terminal": _VIEWED,
    "reporting": _VIEWED,
    "exporting": _MONITORED | {"feeds", "recording", "protocol"},
    "hub": _MEASURED | {"protocol", "web"},
    "client": _MEASURED | {"protocol"},
    "servers": _SERVED,
    "asgi": _SERVED,
    "lab": _VIEWED | {"client", "display"},
    "testing": _VIEWED | {"client", "display", "lab", "recording"},
    "notebook": _SERVED | {"display", "views"},
    "course": _VIEWED | _SERVED | {"client", "display", "lab", "testing", "recording"},
}
"""Package → packages that it may import, directly or through others. ``cli`` may import all."""

LATE = {
    # A Monitor and a recording show themselves in a notebook.
    # open_feed() opens whatever is to be watched, a recording too.
    ("rtmon.feeds", "rtmon.recording.feed"),
    ("rtmon.monitor.monitor", "rtmon.display"),
    ("rtmon.monitor.monitor", "rtmon.dashboard.notebook"),
    ("rtmon.recording.run", "rtmon.dashboard.notebook"),
    # A client counts itself.
    ("rtmon.client.monitor_reporting", "rtmon.probes.websockets"),
    # The WebSocket transport shares frames, from its first connection on.
    ("rtmon.hub.transports.websocket", "rtmon.servers.fanout"),
    # The fast path is asked for by name: probe(monitor, fast=True).
    ("rtmon.probes.websockets.probe_function", "rtmon.servers.turbo.fast_path"),
}
"""Module → module: imports inside a function that go against the rules above."""

PURE = {"metrics", "protocol", "errors"}
"""Packages without input or output: all data, the time included, are passed in."""

IMPURE_CORE = {
    "atomic_file",
    "batcher",
    "child_processes",
    "clock",
    "stalled_peer_detection",
    "flood_protection",
    "deprecated_imports",
    "paced_decompression",
    "periodic_timer",
    "reusable_timer",
}
"""Modules of core that do input or output, or wait; all others are pure."""

IMPURE = {"asyncio", "os", "socket", "subprocess", "time", "websockets"}

EXTRAS = {
    "aiohttp",
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

NEEDS_EXTRA = (
    "rtmon.asgi",
    "rtmon.dashboard",
    "rtmon.hub.brokers.redis",
    "rtmon.hub.transports.asgi",
    "rtmon.hub.transports.socketio",
    "rtmon.hub.transports.engineio_packets",
    "rtmon.hub.transports.socketio_peer",
    "rtmon.hub.transports.socketio_server",
    "rtmon.hub.transports.sse",
    "rtmon.probes.aiohttp",
    "rtmon.probes.tornado",
    "rtmon.servers.asgi",
    "rtmon.servers.uvicorn_protocols",
    "rtmon.servers.uvicorn_http_limits",
    "rtmon.servers.uvicorn_websocket_limits",
    "rtmon.sinks.prometheus",
)
"""Modules that need an extra as a whole; they say so when it is missing."""


@dataclass(frozen=True)
class Import:
    """An import statement: inside a function (``late``), only for type checkers (``typing``)."""

    module: str
    target: str
    late: bool
    typing: bool


@cache
def paths() -> Mapping[str, Path]:
    """Dotted name → file, of every module."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def sources() -> Mapping[str, str]:
    """Dotted name → source, of every module."""
    return {module: path.read_text(encoding="utf-8") for module, path in paths().items()}


def imports(of: Mapping[str, str]) -> list[Import]:
    """All imports, those for type checkers included.

    Those of ``rtmon/__init__`` are left out: it names every public object, and imports it at
    first use.
    """
    found: list[Import] = []
    for module, source in of.items():
        if module != "rtmon":
            is_package = paths()[module].name == "__init__.py"
            package = module if is_package else module.rpartition(".")[0]
            for target, late, typing in _walk(ast.parse(source), package, known=of):
                found.append(Import(module, target, late, typing))
    return found


def _walk(
    node: ast.AST,
    package: str,
    *,
    known: Mapping[str, str],
    late: bool = False,
    typing: bool = False,
) -> Iterator[tuple[str, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name, late, typing
        elif isinstance(child, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - child.level + 1]
            source = ".".join([*(above if child.level else []), *filter(None, [child.module])])
            for alias in child.names:
                name = f"{source}.{alias.name}"
                yield (name if name in known else source), late, typing
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            checking = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from _walk(
                child,
                package,
                known=known,
                late=late or function,
                typing=typing or checking,
            )


def package(module: str) -> str:
    """The package of a module; empty for rtmon itself, and for foreign modules."""
    package, name, *_ = [*module.split("."), ""]
    return name if package == "rtmon" else ""


def graph(of: Mapping[str, str]) -> dict[str, set[str]]:
    """Module → the modules of rtmon that it imports, without the allowed late edges."""
    edges: dict[str, set[str]] = {module: set() for module in of}
    for one in imports(of):
        if one.target in of and package(one.target) and one.target != one.module:
            if one.late and (one.module, one.target) in LATE:
                continue
            edges[one.module].add(one.target)
    return edges


def reached(edges: Mapping[str, set[str]], module: str) -> set[str]:
    """All modules that an import of one loads."""
    found: set[str] = set()
    todo = [module]
    while todo:
        new = edges[todo.pop()] - found
        found |= new
        todo += new
    return found


def out_of_bounds(of: Mapping[str, str]) -> list[str]:
    """Modules that reach a forbidden package, and one module there."""
    edges = graph(of)
    wrong = []
    for module in edges:
        here = package(module)
        if here in MAY_IMPORT:
            beyond = {
                each
                for each in reached(edges, module)
                if package(each) != here and package(each) not in MAY_IMPORT[here]
            }
            wrong += [f"{module} → {min(beyond)}"] if beyond else []
    return wrong


def circles(of: Mapping[str, str]) -> list[str]:
    """Modules that reach themselves."""
    edges = graph(of)
    return sorted(module for module in edges if module in reached(edges, module))


def with_line(module: str, line: str) -> dict[str, str]:
    """The sources, with one more line at the end of one module."""
    return {**sources(), module: f"{sources()[module]}\n{line}\n"}


def test_only_public_modules_are_at_the_top() -> None:
    """rtmon/ has only folders and the modules that users import by name."""
    assert {path.stem for path in PACKAGE.glob("*.py")} == PUBLIC_MODULES


def test_every_package_has_its_rule() -> None:
    """The table of rules has every package of rtmon, and no other."""
    there = {package(module) for module in paths()} - {"", "__main__"}
    assert there == {*MAY_IMPORT, "cli"}


def test_packages_import_only_allowed_packages() -> None:
    """No module reaches, directly or through others, a package forbidden to its own."""
    assert not out_of_bounds(sources())


def test_no_module_imports_itself_through_others() -> None:
    """Imports for type checkers count, too."""
    assert not circles(sources())


def test_allowed_late_edges_exist() -> None:
    """Every late import that the rules allow is used."""
    late = {(one.module, one.target) for one in imports(sources()) if one.late}
    assert late >= LATE


@pytest.mark.parametrize(
    ("module", "line", "caught"),
    [
        ("rtmon.metrics.meter", "from ..dashboard import view", "rtmon.metrics.meter"),
        (
            "rtmon.metrics.meter",
            "if TYPE_CHECKING:\n    from ..dashboard import view",
            "rtmon.metrics.meter",
        ),
        ("rtmon.core.reusable_timer", "def late():\n    import rtmon.monitor", "rtmon.hub.hub"),
        ("rtmon.client.client", "from ..hub import Hub", "rtmon.client.client"),
    ],
)
def test_forbidden_import_is_found(module: str, line: str, caught: str) -> None:
    """The test finds a forbidden import: for type checkers, late, or through another module."""
    assert any(each.startswith(f"{caught} → ") for each in out_of_bounds(with_line(module, line)))


def test_import_circle_is_found() -> None:
    """The test finds a circle that one more import makes."""
    assert "rtmon.core.backoff" in circles(
        with_line("rtmon.core.backoff", "import rtmon.client.connection_loop")
    )


def test_pure_packages_do_no_input_or_output() -> None:
    """Pure packages import no module that waits, reads or writes; metrics only the standard
    library.
    """
    wrong = [
        one
        for one in imports(sources())
        if not package(one.target)
        and (
            package(one.module) in PURE
            or (package(one.module) == "core" and one.module.split(".")[-1] not in IMPURE_CORE)
        )
        and (
            one.target.split(".")[0] in IMPURE
            or (
                package(one.module) == "metrics"
                and one.target.split(".")[0] not in sys.stdlib_module_names
            )
        )
    ]
    assert not wrong


def test_dashboard_opens_no_connection() -> None:
    """Views read a Feed, and import no module that opens a connection."""
    wrong = [
        one
        for one in imports(sources())
        if package(one.module) in {"views", "dashboard", "display", "terminal", "reporting"}
        and one.target.split(".")[0] in {"socket", "websockets"}
    ]
    assert not wrong


def test_extras_are_imported_late() -> None:
    """An optional dependency is imported at first use, and so are modules that need it."""
    wrong = [
        one
        for one in imports(sources())
        if (one.target.split(".")[0] in EXTRAS or one.target.startswith(NEEDS_EXTRA))
        and not (one.late or one.typing)
        and not one.module.startswith(NEEDS_EXTRA)
    ]
    assert not wrong


def loaded_by(code: str) -> set[str]:
    """The modules that a new process has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import rtmon",
        "import rtmon; rtmon.Monitor, rtmon.serve, rtmon.probe, rtmon.Hub",
        "import rtmon.cli",
    ],
)
def test_import_of_rtmon_loads_no_optional_dependency(code: str) -> None:
    """Without a view or a DataFrame, neither panel nor pandas nor redis is imported."""
    assert not EXTRAS & {name.split(".")[0] for name in loaded_by(code)}


def test_hub_loads_no_server() -> None:
    """``import rtmon.hub`` loads no module of servers, probes, monitor, feeds or views."""
    packages = {package(name) for name in loaded_by("import rtmon.hub")}
    assert "hub" in packages
    assert not packages & {"servers", "probes", "monitor", "feeds", "views", "dashboard", "display"}


@pytest.mark.parametrize("name", sorted(set(paths()) - {"rtmon.__main__"}))
def test_every_module_lists_its_public_names(name: str) -> None:
    """Every module has ``__all__``, and all names in it."""
    module = importlib.import_module(name)
    body = ast.parse(sources()[name]).body
    if any(not isinstance(part, ast.Expr | ast.ImportFrom) for part in body):
        assert len(set(module.__all__)) == len(module.__all__)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)


def test_no_public_name_hides_a_module() -> None:
    """``rtmon.name`` is the same object, whether or not a module of that name was imported."""
    assert not {f"rtmon.{name}" for name in importlib.import_module("rtmon").__all__} & set(paths())
