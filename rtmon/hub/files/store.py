"""The folder that receives files: quota, hashes, and names that lead nowhere else."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import unicodedata
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from ...errors import ProtocolError
from ...protocol import limits
from ...protocol.catalog import FileNote

__all__ = ["FileStore", "Stored", "Upload", "safe_name"]

_PARTIAL: Final = ".partial"
"""Folder inside the receiving one: the same file system, so that a file can be moved whole."""

_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10)}
)
"""Names that Windows takes for devices, whatever their suffix."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A complete file in the folder.

    Attributes:
        path: where it is; the last part is the name that it was given.
        size: in bytes.
        sha256: in hexadecimal.
    """

    path: Path
    size: int
    sha256: str

    def note(self, file: str) -> FileNote:
        """What clients are told of it, under the id of its transfer."""
        return FileNote(file=file, name=self.path.name, size=self.size, sha256=self.sha256)


class Upload:
    """A file that is being received, out of sight."""

    def __init__(
        self, store: FileStore, path: Path, name: str, size: int, sha256: str | None
    ) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.received = 0
        self._store = store
        self._path = path
        self._hash = hashlib.sha256()
        self._file = path.open("xb")

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Add what comes next.

        Raises:
            ProtocolError: it is not what comes next, it is more than was offered, or the disk
                is full.
        """
        if offset != self.received:
            raise ProtocolError(
                "file_offset",
                f"The next chunk begins at {self.received}, this one at {offset}: offer the file "
                "again to resume.",
                retry=True,
            )
        if offset + len(data) > self.size:
            raise ProtocolError("file_mismatch", f"The file was offered with {self.size} bytes.")
        try:
            self._file.write(data)
        except OSError as error:
            raise ProtocolError(
                "file_quota", f"The server cannot store it: {error.strerror}."
            ) from None
        self._hash.update(data)
        self.received += len(data)

    def finish(self, sha256: str | None) -> Stored:
        """Check the file and let it appear under its name; blocks for the disk.

        Args:
            sha256: what it must be, if it was not said before.

        Raises:
            ProtocolError: size or SHA-256 are not as offered; the upload is over.
        """
        digest = self._hash.hexdigest()
        if self.received != self.size:
            self.abort()
            raise ProtocolError(
                "file_mismatch", f"{self.received} of {self.size} bytes came: send it again."
            )
        if any(said is not None and said != digest for said in (sha256, self.sha256)):
            self.abort()
            raise ProtocolError("file_mismatch", "The SHA-256 is not as you said: send it again.")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return Stored(self._store.reveal(self._path, self.name), self.size, digest)

    def abort(self) -> None:
        """Forget the file; idempotent."""
        self._file.close()
        if self._path.exists():
            self._path.unlink()
            self._store.release(self.size)


class FileStore:
    """The receiving folder.

    Args:
        folder: made if it is not there; what it has in it counts against the quota.
        size: bytes of the largest file taken.
        quota: bytes of all files together, those on their way included.
    """

    def __init__(self, folder: Path, *, size: int, quota: int) -> None:
        self.folder = folder
        self._size = size
        self._quota = quota
        self._numbers = count(1)
        # Uploads do not outlive the process that knew how far they were.
        shutil.rmtree(folder / _PARTIAL, ignore_errors=True)
        (folder / _PARTIAL).mkdir(parents=True)
        self._used = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())

    def begin(self, name: str, size: int, sha256: str | None) -> Upload:
        """Begin to receive a file; its size is taken from the quota at once.

        Raises:
            ProtocolError: it is too large, for one file or for what is left.
        """
        if size > self._size:
            raise ProtocolError(
                "file_too_large", f"The file has {size} bytes; {self._size} is the most taken."
            )
        if self._used + size > self._quota:
            raise ProtocolError(
                "file_quota", "The server's folder is full; try again later.", retry=True
            )
        path = self.folder / _PARTIAL / f"{os.getpid()}-{next(self._numbers)}"
        upload = Upload(self, path, safe_name(name), size, sha256)
        self._used += size
        return upload

    def release(self, size: int) -> None:
        """Give back to the quota what a file that did not come had reserved."""
        self._used -= size

    def reveal(self, partial: Path, name: str) -> Path:
        """Give a complete file its name, or one like it that is free, in one step."""
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path would drop trailing parts)
        for number in count(1):
            final = self.folder / (name if number == 1 else f"{stem} ({number}){suffix}")
            with contextlib.suppress(FileExistsError):
                # A link fails where a file is; renaming would replace it.
                os.link(partial, final)
                partial.unlink()
                return final
        raise AssertionError("numbers do not end")

    def close(self) -> None:
        """Forget what is not complete."""
        shutil.rmtree(self.folder / _PARTIAL, ignore_errors=True)


def safe_name(name: str) -> str:
    """Return a name that is one file inside the folder on every system, whatever a client sent."""
    name = unicodedata.normalize("NFC", name)
    name = name.replace("\\", "/").rpartition("/")[2]
    # Control and format characters hide what a name is; the others mean something to Windows.
    name = "".join("_" if char in '<>:"|?*' else char for char in name if _visible(char))
    name = name.strip().rstrip(". ")
    if not name:
        return "file"
    if name[0] == "." or name.partition(".")[0].strip().casefold() in _RESERVED:
        name = f"_{name}"
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path would drop trailing parts)
    # Room is left for a number in front of the suffix.
    suffix = _shortened(suffix, 50)
    return _shortened(stem, limits.FILE_NAME_LENGTH - 20 - len(suffix.encode())) + suffix


def _visible(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _shortened(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
