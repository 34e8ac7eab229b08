"""Compresses the script of a custom HTML element, because each notebook output contains it."""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib.resources import files

__all__ = ["asset", "packed"]


def asset(name: str) -> str:
    """Return the text of a file in this package's folder ``assets``."""
    return files(__package__).joinpath("assets", name).read_text("utf-8")


def packed(name: str, body: str, *, element: str) -> tuple[str, str]:
    """Return the tag name of a custom element, and the compressed script that defines the element.

    The tag name contains a hash of the script. A page keeps the first definition of a tag name, so
    outputs of different rtmon releases on one page need different tag names.

    Args:
        name: prefix of the tag name, such as ``rtmon-view``.
        body: JavaScript statements that define the element's class.
        element: name of the element's class in ``body``.
    """
    tag = f"{name}-{hashlib.sha256(body.encode()).hexdigest()[:8]}"
    define = f'customElements.define("{tag}", {element})'
    text = f'(() => {{\nif (customElements.get("{tag}")) return\n{body}\n{define}\n}})()'
    content = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return tag, f'{asset("decompress.js")}("{tag}", "{content}")'
