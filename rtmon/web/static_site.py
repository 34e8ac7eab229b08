"""Web pages as answers to plain HTTP requests: a hub's chat page, by default.

Pure: a request in, an answer out, so that every kind of server can give the same answers. A
path is looked up among the files that there are and never becomes a file's name, so no path
leads anywhere else.
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
"""The file of the chat page that is served at ``/``."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Suffix → content type of the files that are served; the others are for developers."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(:\d{1,5})?")
"""``Host`` headers that are safe to repeat in a policy."""


class Reply(NamedTuple):
    """An answer to an HTTP request."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the page, ready to be sent."""

    body: bytes
    content_type: str
    etag: str


Site = Mapping[str, _File]
"""Path → file of a page."""


def site(contents: Mapping[str, bytes], index: str) -> Site:
    """Return a page made of files; those of other types than a page has are left out.

    Args:
        contents: name → content: ``{"wall.css": b"…"}``.
        index: the file that is served at ``/``.
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
    """Return the response to a request for a file of the page; None for any other path.

    Args:
        method: of the request.
        path: of the request, below where the page is; a query is ignored.
        host: the request's ``Host``. Browsers that do not count a WebSocket of the page's own
            host as ``'self'`` are told its name.
        if_none_match: the request's ``If-None-Match``.
        page: the page; that of ``rtmon/web`` by default.
    """
    file = (_chat_page() if page is None else page).get(path.partition("?")[0])
    if file is None:
        return None
    safe = _safety(host)
    if method not in {"GET", "HEAD"}:
        return Reply(405, (("Allow", "GET, HEAD"), ("Content-Length", "0"), *safe), b"")
    # Asked for each time, and sent only when it has changed: a new version shows at once.
    known = (("ETag", file.etag), ("Cache-Control", "no-cache"), *safe)
    if if_none_match is not None and _matches(file.etag, if_none_match):
        return Reply(304, known, b"")
    described = (("Content-Type", file.content_type), ("Content-Length", str(len(file.body))))
    return Reply(200, described + known, b"" if method == "HEAD" else file.body)


def not_found(method: str = "GET") -> Reply:
    """Return the 404 response, which repeats nothing of the request."""
    body = b"There is nothing here.\n"
    described = (("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))))
    return Reply(404, described + _safety(None), b"" if method == "HEAD" else body)


def _safety(host: str | None) -> tuple[tuple[str, str], ...]:
    """Return the security headers of every response."""
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
    """Return whether ``If-None-Match`` names this version (RFC 9110, 13.1.2: weak comparison)."""
    tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return "*" in tags or etag in tags


@cache
def _chat_page() -> Site:
    """Return the chat page and the browser client of ``rtmon/web``."""
    return site(dict(_walk(files(__package__), "")), INDEX)


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry.read_bytes()
