"""Write files atomically: a file is complete before it gets its final name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO

__all__ = ["writing", "writing_bytes"]


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[IO[str]]:
    """Return a context manager that writes a text file atomically.

    The text is written to a temporary file, in UTF-8, without any conversion of line ends. When
    the ``with`` block ends without an exception, the temporary file replaces ``path``.

    Args:
        path: the file to create or replace.

    Raises:
        OSError: the file cannot be written.
    """
    with writing_bytes(path) as file:
        text = TextIOWrapper(file, "utf-8", newline="", write_through=True)
        yield text
        text.detach()


@contextlib.contextmanager
def writing_bytes(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Return a context manager that writes a binary file atomically; see :func:`writing`.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
