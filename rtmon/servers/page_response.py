"""Serve web pages with ``websockets``: the HTTP response to a request that is no handshake."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING

from ..web import static_site

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

__all__ = ["page_response"]


def page_response(
    connection: ServerConnection, request: Request, page: static_site.Site | None = None
) -> Response:
    """Return the HTTP response with a file of a web page.

    Args:
        connection: the connection that the request came from.
        request: the HTTP request.
        page: the files of the page; those of the chat page if None.
    """
    method = getattr(request, "method", "GET")  # websockets up to 15 has no method: only GET
    asked = {name: request.headers.get_all(name) for name in ("Host", "If-None-Match")}
    reply = static_site.respond(
        method,
        request.path,
        host=asked["Host"][0] if asked["Host"] else None,
        if_none_match=", ".join(asked["If-None-Match"]) or None,
        page=page,
    ) or static_site.not_found(method)
    response = connection.respond(http.HTTPStatus(reply.status), "")
    del response.headers["Content-Type"], response.headers["Content-Length"]
    for name, value in reply.headers:
        response.headers[name] = value
    response.body = reply.body
    return response
