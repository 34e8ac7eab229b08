"""Bound and sanitize text from peers and applications."""

from __future__ import annotations

__all__ = ["TEXT_LENGTH", "safe_text"]

TEXT_LENGTH = 256
"""Characters kept of a text that the peer or the application has chosen."""


def safe_text(text: object, length: int = TEXT_LENGTH) -> str | None:
    """Return an untrusted text as records hold it: of bounded length, and valid Unicode.

    An application may name a connection after anything, such as the number of a user. The
    writers of HTML or spreadsheets escape it.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        text = str(text)
    if len(text) <= length and text.isascii():
        return text
    return text[:length].encode("utf-8", "replace").decode()
