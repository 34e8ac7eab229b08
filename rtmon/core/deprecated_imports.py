"""Old import paths of rtmon 0.1. They work for one more release, with a DeprecationWarning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

__all__ = ["MOVED", "install"]

MOVED: Final[Mapping[str, str]] = {
    "rtmon.admin": "rtmon.servers.admin_listener",
    "rtmon.backoff": "rtmon.core.backoff",
    "rtmon.backpressure": "rtmon.core.backpressure",
    "rtmon.batching": "rtmon.core.batch_buffer",
    "rtmon.clock": "rtmon.core.clock",
    "rtmon.dashboard.source": "rtmon.dashboard.feed_source",
    "rtmon.fanout": "rtmon.servers.fanout",
    "rtmon.fanout.group": "rtmon.servers.fanout.connection_group",
    "rtmon.frames": "rtmon.monitor.dataframes",
    "rtmon.hub.access": "rtmon.hub.admission.permissions",
    "rtmon.hub.auth": "rtmon.hub",
    "rtmon.hub.origins": "rtmon.hub.admission.origins",
    "rtmon.hub.session": "rtmon.hub",
    "rtmon.protocol.incoming": "rtmon.protocol.catalog",
    "rtmon.protocol.outgoing": "rtmon.protocol.catalog",
    "rtmon.server": "rtmon.servers.websockets",
}
"""Old module or package → new module or package. Modules inside a package are included."""


def install() -> None:
    """Install a finder for old import paths, before all other finders of ``sys.meta_path``."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the module of an old import path, and warns at the line that imports it."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system passes it
        target: ModuleType | None = None,  # noqa: ARG002 - the import system passes it
    ) -> ModuleSpec | None:
        new = _new_path(fullname) if fullname.startswith("rtmon.") else None
        if new is None:
            return None
        warnings.warn(
            f"{fullname} is now {new}; the old path ends with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        return ModuleSpec(fullname, _Alias(new))


class _Alias(Loader):
    """Loads an old import path as the module of its new path, so that each class exists once."""

    def __init__(self, new: str) -> None:
        self._new = new
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - the import system passes it
        module = importlib.import_module(self._new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system had set the spec of the old path


def _new_path(name: str) -> str | None:
    package, rest = name, ""
    while package not in MOVED:
        package, dot, last = package.rpartition(".")
        if not dot:
            return None
        rest = f".{last}{rest}"
    return MOVED[package] + rest
