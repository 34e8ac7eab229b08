"""Limit the length of untrusted text from peers and applications, and make it valid Unicode."""

from __future__ import annotations

__all__ = ["TEXT_LENGTH", "safe_text"]

TEXT_LENGTH = 256
"""Maximum number of characters kept of an untrusted text."""


def safe_text(text: object, length: int = TEXT_LENGTH) -> str | None:
    """Return an untrusted text cut to a maximum length, with invalid Unicode replaced.

    A value that is not a ``str``, such as a user's number, is converted with ``str()``. This
    function escapes nothing. Code that writes HTML or CSV must escape the text itself.

    Args:
        text: a text from the peer or the application; None for none.
        length: maximum number of characters.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        text = str(text)
    if len(text) <= length and text.isascii():
        return text
    return text[:length].encode("utf-8", "replace").decode()
