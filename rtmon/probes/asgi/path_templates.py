"""Path templates: ``/rooms/{room}`` for every room, so that rows can be grouped by path."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["template"]

_PARAMETER = re.compile(r"{([^}:]+)(:[^}]*)?}")


def template(scope: Mapping[str, Any]) -> str:
    """The template of the path that an ASGI scope was routed by; the path itself if none is known.

    Starlette and FastAPI leave in the scope the route that was chosen last, relative to where it
    was mounted or included. What stands before it is taken from the path, with the values of
    parameters replaced by their names.

    Args:
        scope: the scope as it is once the framework has chosen a route.
    """
    path: str = scope.get("path", "")
    mounted = len(scope.get("root_path", ""))
    relative = getattr(scope.get("route"), "path", None) or ""
    match = _ending_in(relative).fullmatch(path, mounted) if relative else None
    if match is not None:
        path = path[: match.end(1)]
    elif "app_root_path" in scope:  # where something without routes is mounted, its mount is known
        path, relative = path[:mounted], ""
    else:
        relative = ""
    named = {name for name, _ in _PARAMETER.findall(relative)}
    values = [
        (name, str(value))
        for name, value in scope.get("path_params", {}).items()
        if name not in named
    ]
    parts = path.split("/")
    # From the end, in the order of the parameters: what stands before one may look like its value.
    for at in reversed(range(len(parts))):
        for index in reversed(range(len(values))):
            if values[index][1] == parts[at]:
                parts[at] = f"{{{values[index][0]}}}"
                del values[index:]
                break
    return "/".join(parts) + _PARAMETER.sub(r"{\1}", relative)


@functools.lru_cache(maxsize=1024)
def _ending_in(relative: str) -> re.Pattern[str]:
    pattern = "(.*?)"
    end = 0
    for parameter in _PARAMETER.finditer(relative):
        pattern += re.escape(relative[end : parameter.start()])
        pattern += ".*" if parameter[2] == ":path" else "[^/]+"
        end = parameter.end()
    return re.compile(pattern + re.escape(relative[end:]), re.DOTALL)
