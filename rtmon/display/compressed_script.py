"""A custom element's script, compressed: it is saved with each output that it draws."""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib.resources import files

__all__ = ["asset", "packed"]


def asset(name: str) -> str:
    """Read a text file from this package's ``assets``."""
    return files(__package__).joinpath("assets", name).read_text("utf-8")


def packed(name: str, body: str, *, element: str) -> tuple[str, str]:
    """Return the name of a custom element, and the script that defines it once on a page.

    The name holds a hash: a page keeps the first definition of a name, of whichever release.

    Args:
        name: how the name begins, such as ``rtmon-view``.
        body: statements that define the element's class.
        element: name of that class.
    """
    tag = f"{name}-{hashlib.sha256(body.encode()).hexdigest()[:8]}"
    define = f'customElements.define("{tag}", {element})'
    text = f'(() => {{\nif (customElements.get("{tag}")) return\n{body}\n{define}\n}})()'
    content = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return tag, f'{asset("decompress.js")}("{tag}", "{content}")'
