"""Compress the script of a custom element, because a notebook saves it with each output."""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib.resources import files

__all__ = ["asset", "packed"]


def asset(name: str) -> str:
    """Return the text of a file in ``rtmon/display/assets``."""
    return files(__package__).joinpath("assets", name).read_text("utf-8")


def packed(name: str, body: str, *, element: str) -> tuple[str, str]:
    """Return the name of a custom element, and the script that defines it once on a page.

    The element's name ends with a hash of the script. A web page keeps the first definition of an
    element's name, so scripts of different releases need different names.

    Args:
        name: prefix of the element's name, such as ``rtmon-view``.
        body: JavaScript statements that define the element's class.
        element: name of the element's JavaScript class.
    """
    tag = f"{name}-{hashlib.sha256(body.encode()).hexdigest()[:8]}"
    define = f'customElements.define("{tag}", {element})'
    text = f'(() => {{\nif (customElements.get("{tag}")) return\n{body}\n{define}\n}})()'
    content = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return tag, f'{asset("decompress.js")}("{tag}", "{content}")'
