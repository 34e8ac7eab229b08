"""The folder that receives files: quota, hashes, and names that stay inside it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import unicodedata
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Final

from ...core.lru_cache import LRU
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

_NUMBERS: Final = range(2, 10)
"""What a name that is taken gets appended; where all are taken it is a random one, so that the
thousandth file of a name takes no longer than the tenth."""


@dataclass(slots=True)
class _Holding:
    """What a user has in the folder, or has reserved there."""

    size: int = 0
    files: int = 0


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
    """A file that is being received, hidden until it is complete.

    Attributes:
        owner: the authenticated user that it counts for; None if there is none.
        received: bytes that have come.
        reserved: bytes that it takes of the quota; no less than have come.
    """

    def __init__(
        self,
        store: FileStore,
        path: Path,
        *,
        name: str,
        size: int,
        sha256: str | None,
        owner: str | None,
    ) -> None:
        self.name = name
        self.size = size
        self.sha256 = sha256
        self.owner = owner
        self.received = 0
        self.reserved = 0
        self._store = store
        self._path = path
        self._hash = hashlib.sha256()
        self._file = path.open("xb")

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Append a chunk.

        Raises:
            ProtocolError: the chunk is not the next one, the file would be larger than offered,
                or there is no room for it any more.
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
        if data and self.reserved < self.size:
            self._store.reserve(self)
        try:
            self._file.write(data)
        except OSError as error:
            raise _not_stored(error) from None
        self._hash.update(data)
        self.received += len(data)

    def finish(self, sha256: str | None) -> Stored:
        """Check the file and give it its name; blocks on the disk.

        Args:
            sha256: the expected digest, if the offer had none.

        Raises:
            ProtocolError: size or SHA-256 are not as offered, or the disk is full; abort it then.
        """
        digest = self._hash.hexdigest()
        if self.received != self.size:
            raise ProtocolError(
                "file_mismatch", f"{self.received} of {self.size} bytes came: send it again."
            )
        if any(said is not None and said != digest for said in (sha256, self.sha256)):
            raise ProtocolError("file_mismatch", "The SHA-256 is not as you said: send it again.")
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            path = self._store.reveal(self._path, self.name)
        except OSError as error:
            raise _not_stored(error) from None
        return Stored(path, self.size, digest)

    def lapse(self) -> None:
        """Give back the room of what has not come; it is reserved again when more comes."""
        self._store.release(self, self.reserved - self.received)

    def abort(self) -> None:
        """Remove the incomplete file. Idempotent."""
        with contextlib.suppress(OSError):  # of what is still to be written to a full disk
            self._file.close()
        if self._path.exists():
            self._path.unlink()
            self._store.forget(self)


class FileStore:
    """The receiving folder.

    Args:
        folder: created if missing; the files in it count against the quota.
        size: bytes of the largest accepted file.
        quota: bytes of all files together, incomplete ones included.
        most: files in the folder, incomplete ones included.
        share: part of both that one user may take, above 0; always enough for one file.
    """

    def __init__(
        self,
        folder: Path,
        *,
        size: int,
        quota: int,
        most: int = limits.FILES_KEPT,
        share: float = 1.0,
    ) -> None:
        self.folder = folder
        self._size = size
        self._quota = quota
        self._most = most
        self._user_quota = max(int(quota * share), min(size, quota))
        self._user_most = max(1, int(most * share))
        self._holdings: LRU[str, _Holding] = LRU(limits.KEYS_LIMITED)
        self._numbers = count(1)
        # Uploads cannot resume after a restart: only the process knew their progress.
        shutil.rmtree(folder / _PARTIAL, ignore_errors=True)
        (folder / _PARTIAL).mkdir(parents=True)
        found = [path.stat().st_size for path in folder.iterdir() if path.is_file()]
        self._used, self._files = sum(found), len(found)

    def begin(
        self,
        name: str,
        size: int,
        sha256: str | None,
        *,
        owner: str | None = None,
        reserve: bool = True,
    ) -> Upload:
        """Begin to receive a file.

        Args:
            name: as the client gave it.
            size: in bytes.
            sha256: in hexadecimal, None if it is said at the end.
            owner: the authenticated user, None if there is none.
            reserve: True to take its size from the quota at once; otherwise when its first bytes
                come.

        Raises:
            ProtocolError: the file is larger than one may be, or than the rest of the quota, or
                there are too many files.
        """
        if size > self._size:
            raise ProtocolError(
                "file_too_large", f"The file has {size} bytes; {self._size} is the most taken."
            )
        self._check(owner, size, files=1)
        path = self.folder / _PARTIAL / f"{os.getpid()}-{next(self._numbers)}"
        upload = Upload(self, path, name=safe_name(name), size=size, sha256=sha256, owner=owner)
        self._add(upload, 0, files=1)
        if reserve:
            self.reserve(upload)
        return upload

    def reserve(self, upload: Upload) -> None:
        """Take the whole size of an upload from the quota.

        Raises:
            ProtocolError: there is no room for it now.
        """
        more = upload.size - upload.reserved
        self._check(upload.owner, more)
        self._add(upload, more)

    def release(self, upload: Upload, size: int) -> None:
        """Give back to the quota a part of what an upload has reserved."""
        self._add(upload, -size)

    def forget(self, upload: Upload) -> None:
        """Give back all that an upload has reserved: the file does not come."""
        self._add(upload, -upload.reserved, files=-1)

    def _check(self, owner: str | None, size: int, files: int = 0) -> None:
        held = self._held(owner)
        full = self._used + size > self._quota or self._files + files > self._most
        if full:
            problem = "The server's folder is full; try again later."
        elif held.size + size > self._user_quota or held.files + files > self._user_most:
            problem = (
                f"Your files take {held.size} bytes in {held.files} files here; you may have "
                f"{self._user_quota} in {self._user_most}."
            )
        else:
            return
        raise ProtocolError("file_quota", problem, retry=True)

    def _add(self, upload: Upload, size: int, files: int = 0) -> None:
        upload.reserved += size
        self._used += size
        self._files += files
        held = self._held(upload.owner)
        held.size = max(0, held.size + size)
        held.files = max(0, held.files + files)

    def _held(self, owner: str | None) -> _Holding:
        if owner is None:
            return _Holding()
        held = self._holdings.get(owner)
        if held is None:
            held = _Holding()
            self._holdings.put(owner, held)
        return held

    def reveal(self, partial: Path, name: str) -> Path:
        """Give a complete file its name, with a number if the name is taken, atomically."""
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path would drop trailing parts)
        marks = chain(_NUMBERS, iter(lambda: secrets.token_hex(4), None))
        for free in chain([name], (f"{stem} ({mark}){suffix}" for mark in marks)):
            final = self.folder / free
            with contextlib.suppress(FileExistsError):
                # A link fails where a file is; renaming would replace it.
                os.link(partial, final)
                partial.unlink()
                return final
        raise AssertionError("random names do not end")

    def close(self) -> None:
        """Remove incomplete files."""
        shutil.rmtree(self.folder / _PARTIAL, ignore_errors=True)


def _not_stored(error: OSError) -> ProtocolError:
    return ProtocolError("file_quota", f"The server cannot store it: {error.strerror}.")


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
