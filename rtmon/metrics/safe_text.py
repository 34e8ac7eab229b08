"""Text from outside, made safe to keep."""

from __future__ import annotations

__all__ = ["TEXT_LENGTH", "safe_text"]

TEXT_LENGTH = 256
"""Characters kept of a text that the peer or the application has chosen."""


def safe_text(text: object, length: int = TEXT_LENGTH) -> str | None:
    """Return text from outside as records hold it: of bounded length, and valid Unicode.

    An application may name a connection after anything, such as the number of a user. Escaping
    for HTML or a spreadsheet is left to what writes those.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        text = str(text)
    if len(text) <= length and text.isascii():
        return text
    return text[:length].encode("utf-8", "replace").decode()
