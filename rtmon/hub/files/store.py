"""The folder that receives files: quota, hashes, and names that stay inside it."""

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
"""Folder of incomplete files: on the same file system, so that a file can be moved atomically."""

_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10)}
)
"""Names that Windows takes for devices, whatever their suffix."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A complete file in the folder.

    Attributes:
        path: of the file, with the name that the store chose.
        size: in bytes.
        sha256: in hexadecimal.
    """

    path: Path
    size: int
    sha256: str

    def note(self, file: str) -> FileNote:
        """Return the description of the file for clients, under the id of its transfer."""
        return FileNote(file=file, name=self.path.name, size=self.size, sha256=self.sha256)


class Upload:
    """A file that is being received, hidden until it is complete."""

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
        """Append a chunk.

        Raises:
            ProtocolError: the chunk is not the next one, the file would be larger than offered,
                or the disk is full.
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
        """Check the file and give it its name; blocks on the disk.

        Args:
            sha256: the expected digest, if the offer had none.

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
        """Remove the incomplete file. Idempotent."""
        self._file.close()
        if self._path.exists():
            self._path.unlink()
            self._store.release(self.size)


class FileStore:
    """The receiving folder.

    Args:
        folder: created if missing; the files in it count against the quota.
        size: bytes of the largest accepted file.
        quota: bytes of all files together, incomplete ones included.
    """

    def __init__(self, folder: Path, *, size: int, quota: int) -> None:
        self.folder = folder
        self._size = size
        self._quota = quota
        self._numbers = count(1)
        # Uploads cannot resume after a restart: only the process knew their progress.
        shutil.rmtree(folder / _PARTIAL, ignore_errors=True)
        (folder / _PARTIAL).mkdir(parents=True)
        self._used = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())

    def begin(self, name: str, size: int, sha256: str | None) -> Upload:
        """Begin to receive a file; its size is taken from the quota at once.

        Raises:
            ProtocolError: the file is larger than one may be, or than the rest of the quota.
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
        """Give back to the quota the size of an aborted upload."""
        self._used -= size

    def reveal(self, partial: Path, name: str) -> Path:
        """Give a complete file its name, with a number if the name is taken, atomically."""
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
        """Remove incomplete files."""
        shutil.rmtree(self.folder / _PARTIAL, ignore_errors=True)


def safe_name(name: str) -> str:
    """Return a name that is one file inside the folder on every operating system."""
    name = unicodedata.normalize("NFC", name)
    name = name.replace("\\", "/").rpartition("/")[2]
    # Control and format characters can disguise a name; the others are special on Windows.
    name = "".join("_" if char in '<>:"|?*' else char for char in name if _visible(char))
    name = name.strip().rstrip(". ")
    if not name:
        return "file"
    if name[0] == "." or name.partition(".")[0].strip().casefold() in _RESERVED:
        name = f"_{name}"
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path would drop trailing parts)
    # Leave room for a number in front of the suffix.
    suffix = _shortened(suffix, 50)
    return _shortened(stem, limits.FILE_NAME_LENGTH - 20 - len(suffix.encode())) + suffix


def _visible(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _shortened(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
