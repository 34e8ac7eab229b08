"""The import rules between the packages of rtmon; docs/architecture.md describes them."""

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
"""The only modules directly in rtmon/; all others are in packages."""

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
    # A Monitor and a recording show themselves in a notebook. open_feed() also opens a recording.
    ("rtmon.feeds", "rtmon.recording.recording_feed"),
    ("rtmon.monitor.monitor", "rtmon.display"),
    ("rtmon.monitor.monitor", "rtmon.dashboard.notebook"),
    ("rtmon.recording.dataframe_reader", "rtmon.dashboard.notebook"),
    # A client counts its own messages.
    ("rtmon.client.monitor_reporting", "rtmon.probes.websockets"),
    # The WebSocket transport shares encoded frames from its first connection on.
    ("rtmon.hub.transports.websocket", "rtmon.servers.fanout"),
    # The fast path is loaded only when probe(monitor, fast=True) requests it.
    ("rtmon.probes.websockets.probe_function", "rtmon.servers.turbo.fast_path"),
}
"""Module → module: imports inside a function that are allowed although they break the rules
above.
"""

PURE = {"metrics", "protocol", "errors"}
"""Packages without input or output: callers pass in all data, the time included."""

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
"""Modules of core that do input or output, or wait. All other modules of core are pure."""

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
"""Modules that need an extra as a whole. Importing one without the extra raises an error that names
it.
"""


@dataclass(frozen=True)
class Import:
    """An import statement. ``late``: inside a function. ``typing``: only for type checkers."""

    module: str
    target: str
    late: bool
    typing: bool


@cache
def paths() -> Mapping[str, Path]:
    """Return dotted name → file of every module of rtmon."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def sources() -> Mapping[str, str]:
    """Return dotted name → source text of every module of rtmon."""
    return {module: path.read_text(encoding="utf-8") for module, path in paths().items()}


def imports(of: Mapping[str, str]) -> list[Import]:
    """Return all imports of these sources, those for type checkers included.

    Imports of ``rtmon/__init__`` are omitted: it imports every public object at first use.
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
    """Return the package of a module; empty for ``rtmon`` itself and for modules of other
    projects.
    """
    package, name, *_ = [*module.split("."), ""]
    return name if package == "rtmon" else ""


def graph(of: Mapping[str, str]) -> dict[str, set[str]]:
    """Return module → modules of rtmon that it imports, without the allowed late imports."""
    edges: dict[str, set[str]] = {module: set() for module in of}
    for one in imports(of):
        if one.target in of and package(one.target) and one.target != one.module:
            if one.late and (one.module, one.target) in LATE:
                continue
            edges[one.module].add(one.target)
    return edges


def reached(edges: Mapping[str, set[str]], module: str) -> set[str]:
    """Return all modules that importing this module loads, directly or through others."""
    found: set[str] = set()
    todo = [module]
    while todo:
        new = edges[todo.pop()] - found
        found |= new
        todo += new
    return found


def out_of_bounds(of: Mapping[str, str]) -> list[str]:
    """Return each module that reaches a forbidden package, with one module of that package."""
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
    """Return the modules that import themselves through others."""
    edges = graph(of)
    return sorted(module for module in edges if module in reached(edges, module))


def with_line(module: str, line: str) -> dict[str, str]:
    """Return all sources, with one line added at the end of one module."""
    return {**sources(), module: f"{sources()[module]}\n{line}\n"}


def test_package_folder_has_only_public_modules_and_packages() -> None:
    """Folder rtmon/ contains only packages and the modules that users import by name."""
    assert {path.stem for path in PACKAGE.glob("*.py")} == PUBLIC_MODULES


def test_every_package_has_an_import_rule() -> None:
    """Table of import rules has every package of rtmon, and no other."""
    there = {package(module) for module in paths()} - {"", "__main__"}
    assert there == {*MAY_IMPORT, "cli"}


def test_packages_import_only_allowed_packages() -> None:
    """No module of rtmon imports, directly or through others, a package that its own package may
    not import.
    """
    assert not out_of_bounds(sources())


def test_no_module_imports_itself_through_others() -> None:
    """No module of rtmon imports itself through other modules, imports for type checkers
    included.
    """
    assert not circles(sources())


def test_every_allowed_late_import_exists() -> None:
    """Every late import that the rules allow exists in the code."""
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
def test_import_check_finds_a_forbidden_import(module: str, line: str, caught: str) -> None:
    """Import check of the tests finds a forbidden import inside a function, for type checkers,
    or through another module.
    """
    assert any(each.startswith(f"{caught} → ") for each in out_of_bounds(with_line(module, line)))


def test_import_check_finds_a_circular_import() -> None:
    """Import check of the tests finds a circular import that one added import creates."""
    assert "rtmon.core.backoff" in circles(
        with_line("rtmon.core.backoff", "import rtmon.client.connection_loop")
    )


def test_pure_packages_import_no_module_for_input_or_output() -> None:
    """Packages without input and output import no module that waits, reads or writes, and metrics
    imports only the standard library.
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


def test_view_packages_import_no_network_module() -> None:
    """Packages of views import neither socket nor websockets."""
    wrong = [
        one
        for one in imports(sources())
        if package(one.module) in {"views", "dashboard", "display", "terminal", "reporting"}
        and one.target.split(".")[0] in {"socket", "websockets"}
    ]
    assert not wrong


def test_optional_dependencies_are_imported_inside_functions() -> None:
    """Optional dependencies, and modules that need them, are imported only inside functions or for
    type checkers.
    """
    wrong = [
        one
        for one in imports(sources())
        if (one.target.split(".")[0] in EXTRAS or one.target.startswith(NEEDS_EXTRA))
        and not (one.late or one.typing)
        and not one.module.startswith(NEEDS_EXTRA)
    ]
    assert not wrong


def loaded_by(code: str) -> set[str]:
    """Return the modules that a new process has loaded after running this code."""
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
    """Importing rtmon, its main objects or its command line loads no optional dependency."""
    assert not EXTRAS & {name.split(".")[0] for name in loaded_by(code)}


def test_importing_the_hub_loads_no_server_or_dashboard() -> None:
    """Importing rtmon.hub loads no module of servers, probes, monitor, feeds or views."""
    packages = {package(name) for name in loaded_by("import rtmon.hub")}
    assert "hub" in packages
    assert not packages & {"servers", "probes", "monitor", "feeds", "views", "dashboard", "display"}


@pytest.mark.parametrize("name", sorted(set(paths()) - {"rtmon.__main__"}))
def test_every_module_lists_its_public_names(name: str) -> None:
    """Every module with code of its own has ``__all__`` without duplicates, and each name in it
    exists.
    """
    module = importlib.import_module(name)
    body = ast.parse(sources()[name]).body
    if any(not isinstance(part, ast.Expr | ast.ImportFrom) for part in body):
        assert len(set(module.__all__)) == len(module.__all__)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)


def test_no_public_name_equals_the_name_of_a_module() -> None:
    """No public name of rtmon equals the name of a module, so ``rtmon.name`` is always the same
    object.
    """
    assert not {f"rtmon.{name}" for name in importlib.import_module("rtmon").__all__} & set(paths())
