"""A file of lines that does not grow for ever: a full one is put aside, and a new one begun.

``samples.csv`` is the file that is written. A full one becomes ``samples.000001.csv``, the next
``samples.000002.csv`` and so on, by a rename, and never changes again: sorted by name the files are
in order, and the one that is written comes last. Each begins with the header, and no line is spread
over two.

A process may be killed at any moment. What it leaves is whole files, and at worst the beginning of
a line at the end of the one that it wrote; that is cut off when the next process puts the file
aside. What the system had not brought to the disk yet is not protected from a power failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO

__all__ = ["RollingFile"]


class RollingFile:
    """A file that lines are added to, which end with CRLF, and may have more of them in quotes.

    One that is there already, from an earlier run, is put aside.

    Args:
        path: the file that is written; files put aside stand beside it.
        header: the first line of each file, its end included.
        max_bytes: a line that would make a file larger begins the next one; None for no limit.
        keep: how many files to have beside the one that is written, the oldest goes first; None for
            all.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, header: str, *, max_bytes: int | None, keep: int | None) -> None:
        self._path = path
        self._header = header.encode()
        self._max_bytes = max_bytes
        self._keep = keep
        self._aside = re.compile(
            rf"{re.escape(path.stem)}\.(\d{{6,}}){re.escape(path.suffix)}", re.ASCII
        )
        if path.exists():
            if self._mend():
                self._put_aside()
            else:
                path.unlink()
        self._begin()

    def write(self, lines: Iterable[str]) -> None:
        """Add whole lines, and hand them to the system."""
        waiting: list[bytes] = []
        for line in lines:
            data = line.encode()
            if self._full(len(data)):
                self._append(waiting)
                waiting = []
                self.close()
                self._put_aside()
                self._begin()
            waiting.append(data)
            self._size += len(data)
        self._append(waiting)

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _full(self, more: int) -> bool:
        begun = self._size > len(self._header)
        return begun and self._max_bytes is not None and self._size + more > self._max_bytes

    def _append(self, lines: list[bytes]) -> None:
        # In one piece: what is written bit by bit may end anywhere when the process is killed.
        self._file.write(b"".join(lines))
        self._file.flush()

    def _begin(self) -> None:
        self._file: IO[bytes] = self._path.open("ab")
        self._append([self._header])
        self._size = len(self._header)

    def _put_aside(self) -> None:
        before = self._before()
        number = max(before, default=0) + 1
        name = f"{self._path.stem}.{number:06}{self._path.suffix}"
        self._path.replace(self._path.with_name(name))
        if self._keep is not None:
            for old in sorted(before)[: len(before) + 1 - self._keep]:
                before[old].unlink(missing_ok=True)

    def _before(self) -> dict[int, Path]:
        """Number → file, of those that have been put aside."""
        names = ((self._aside.fullmatch(path.name), path) for path in self._path.parent.iterdir())
        return {int(match[1]): path for match, path in names if match}

    def _mend(self) -> bool:
        """Cut off what is left of a line; whether there is any whole one."""
        with self._path.open("rb+") as file:
            first = file.readline()
            if not self._header.startswith(first):
                return True  # somebody else's, and not to be touched
            end = position = len(first)
            quotes = 0
            for piece in file:
                position += len(piece)
                quotes += piece.count(b'"')
                if quotes % 2 == 0 and piece.endswith(b"\r\n"):  # not within a cell
                    end = position
            file.truncate(end)
        return end > len(self._header)
