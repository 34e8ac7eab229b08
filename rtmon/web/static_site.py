"""Build the HTTP responses for the static files of a web page: by default, a hub's chat page.

The functions do no network I/O, so all of rtmon's HTTP servers can use them. Files are read in
advance into a mapping of URL paths. The path of a request is only looked up in this mapping and
never opened as a file, so path traversal is impossible.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

__all__ = ["Reply", "Site", "not_found", "respond", "site"]

INDEX = "chat.html"
"""Name of the chat page's HTML file, which is served at ``/``."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Content type by file name suffix. Files with other suffixes, such as ``.ts``, are not served."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(:\d{1,5})?")
"""Values of the ``Host`` header that are safe to repeat in a Content-Security-Policy header."""


class Reply(NamedTuple):
    """An HTTP response: status code, headers and body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a web page, with the content type and the ETag of its HTTP response."""

    body: bytes
    content_type: str
    etag: str


Site = Mapping[str, _File]
"""The files of a web page, by URL path."""


def site(contents: Mapping[str, bytes], index: str) -> Site:
    """Return the web page that consists of the given files.

    Files that are not HTML, CSS, JavaScript or SVG are omitted.

    Args:
        contents: maps file names to contents, such as ``{"wall.css": b"…"}``.
        index: name of the file that is served at ``/``.
    """
    found = {}
    for name, body in contents.items():
        kind = _TYPES.get(name[name.rfind(".") :])
        if kind is not None:
            found[f"/{name}"] = _File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
    return {"/": found[f"/{index}"], **found}


def respond(
    method: str,
    path: str,
    *,
    host: str | None = None,
    if_none_match: str | None = None,
    page: Site | None = None,
) -> Reply | None:
    """Return the response to an HTTP request for a file of a web page.

    Returns None if the page has no file at the path.

    Args:
        method: HTTP method of the request.
        path: path of the request, relative to the page. A query string is ignored.
        host: ``Host`` header of the request. The response's Content-Security-Policy allows
            WebSockets to this host explicitly, because in some browsers ``'self'`` does not include
            WebSockets.
        if_none_match: ``If-None-Match`` header of the request.
        page: the web page; by default the chat page in ``rtmon/web``.
    """
    file = (_chat_page() if page is None else page).get(path.partition("?")[0])
    if file is None:
        return None
    safe = _safety(host)
    if method not in {"GET", "HEAD"}:
        return Reply(405, (("Allow", "GET, HEAD"), ("Content-Length", "0"), *safe), b"")
    # With no-cache, browsers ask at each load whether a file has changed.
    known = (("ETag", file.etag), ("Cache-Control", "no-cache"), *safe)
    if if_none_match is not None and _matches(file.etag, if_none_match):
        return Reply(304, known, b"")
    described = (("Content-Type", file.content_type), ("Content-Length", str(len(file.body))))
    return Reply(200, described + known, b"" if method == "HEAD" else file.body)


def not_found(method: str = "GET") -> Reply:
    """Return a 404 response, which repeats no text from the request."""
    body = b"There is nothing here.\n"
    described = (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))))
    return Reply(404, described + _safety(None), b"" if method == "HEAD" else body)


def _safety(host: str | None) -> tuple[tuple[str, str], ...]:
    """Return the security headers that every response has, such as Content-Security-Policy."""
    sockets = f" ws://{host} wss://{host}" if host and _HOST.fullmatch(host) else ""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    )


def _matches(etag: str, asked: str) -> bool:
    """Return True if an ``If-None-Match`` header contains the ETag of a file.

    The comparison is weak (RFC 9110, 13.1.2): the prefix ``W/`` is ignored.
    """
    tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return "*" in tags or etag in tags


@cache
def _chat_page() -> Site:
    """Read the files of the chat page and the JavaScript client from ``rtmon/web``, once."""
    return site(dict(_walk(files(__package__), "")), INDEX)


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each file in a folder and its subfolders."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry.read_bytes()
