"""Path templates such as ``/rooms/{room}``, by which connections can be grouped."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["template"]

_PARAMETER = re.compile(r"{([^}:]+)(:[^}]*)?}")


def template(scope: Mapping[str, Any]) -> str:
    """Return the path template of a request; the path itself if no template is known.

    Starlette and FastAPI store the route that they chose last in the scope. The route's template
    covers only the end of the path if the route is in a mounted application or an included router.
    The beginning is then taken from the request's path, where each value of a path parameter is
    replaced by the parameter's name in braces.

    Args:
        scope: the ASGI scope, after the framework has chosen a route.
    """
    path: str = scope.get("path", "")
    mounted = len(scope.get("root_path", ""))
    relative = getattr(scope.get("route"), "path", None) or ""
    match = _ending_in(relative).fullmatch(path, mounted) if relative else None
    if match is not None:
        path = path[: match.end(1)]
    elif "app_root_path" in scope:  # a mounted application without routes: use its mount path
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
    # From the end, in the order of the parameters: an earlier part may equal a parameter's value.
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
