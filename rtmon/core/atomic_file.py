"""Files that appear under their name only when they are whole."""

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
    """A text file (UTF-8, line ends as written) that replaces ``path`` when the block ends well.

    Args:
        path: the file; one that is there is replaced.

    Raises:
        OSError: the file cannot be written.
    """
    with writing_bytes(path) as file:
        text = TextIOWrapper(file, "utf-8", newline="", write_through=True)
        yield text
        text.detach()


@contextlib.contextmanager
def writing_bytes(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """The same for a file of bytes.

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
