"""Storage of uploaded files in one folder: quotas, SHA-256 checks, and safe file names."""

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
"""Subfolder for incomplete files. It is on the same file system, so that a file can be moved
atomically."""

_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10)}
)
"""File names that Windows treats as devices, with any suffix."""

_NUMBERS: Final = range(2, 10)
"""Numbers appended to a file name that is already used. If all are used, a random suffix is
appended, so that the thousandth file with the same name is stored as fast as the tenth."""


@dataclass(slots=True)
class _Holding:
    """Bytes and files that a user has in the folder, including reserved ones."""

    size: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A complete file in the folder.

    Attributes:
        path: path of the file, with the name that the store chose.
        size: size in bytes.
        sha256: SHA-256 hash in hexadecimal.
    """

    path: Path
    size: int
    sha256: str

    def note(self, file: str) -> FileNote:
        """Return the file's description for clients.

        Args:
            file: id of the file's transfer.
        """
        return FileNote(file=file, name=self.path.name, size=self.size, sha256=self.sha256)


class Upload:
    """A file that is being received. It has a hidden path until it is complete.

    Attributes:
        name: name of the file, made safe.
        size: size in bytes, as offered.
        sha256: expected SHA-256 hash, as offered; None if the offer had none.
        owner: id of the authenticated user whose quota the upload uses; None if there is none.
        received: number of bytes received.
        reserved: number of bytes that the upload uses of the quota, at least ``received``.
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
        """Append a chunk to the file.

        Raises:
            ProtocolError: the chunk is not the next one, the file would become larger than offered,
                or the quota or the disk is full.
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
        """Verify the file and give it its final name. Blocks on the disk.

        Args:
            sha256: the expected hash, if the offer had none.

        Raises:
            ProtocolError: size or hash differ from the offer, or the disk is full. Call
                :meth:`abort` then.
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
        """Release the quota reserved for bytes that have not arrived.

        The next chunk reserves the quota again.
        """
        self._store.release(self, self.reserved - self.received)

    def abort(self) -> None:
        """Delete the incomplete file. May be called twice."""
        with contextlib.suppress(OSError):  # closing flushes, which fails on a full disk
            self._file.close()
        if self._path.exists():
            self._path.unlink()
            self._store.forget(self)


class FileStore:
    """The folder for uploaded files, with its quotas.

    Args:
        folder: the folder, created if missing. Files that are already in it count against the
            quota.
        size: maximum size of a file, in bytes.
        quota: maximum size of all files together, including incomplete ones, in bytes.
        most: maximum number of files, including incomplete ones.
        share: fraction of ``quota`` and ``most`` that one user may use, above 0. At least one file
            of maximum size is always allowed.
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
        # Delete incomplete files: after a restart no upload can resume, because its progress was
        # only in memory.
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
        """Start to receive a file.

        Args:
            name: file name as the client sent it.
            size: size in bytes.
            sha256: expected hash in hexadecimal; None if the client sends it at the end.
            owner: id of the authenticated user; None if there is none.
            reserve: True to reserve quota for the whole file now, False to reserve it with the
                first bytes.

        Raises:
            ProtocolError: the file is larger than allowed or than the remaining quota, or there are
                too many files.
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
        """Reserve quota for the whole size of an upload.

        Raises:
            ProtocolError: the quota is not sufficient now.
        """
        more = upload.size - upload.reserved
        self._check(upload.owner, more)
        self._add(upload, more)

    def release(self, upload: Upload, size: int) -> None:
        """Release part of the quota that an upload has reserved."""
        self._add(upload, -size)

    def forget(self, upload: Upload) -> None:
        """Release all quota of an upload that is aborted."""
        self._add(upload, -upload.reserved, files=-1)

    def _check(self, owner: str | None, size: int, files: int = 0) -> None:
        """Check that a user may use more bytes and files.

        Raises:
            ProtocolError: the folder's or the user's quota is not sufficient.
        """
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
        """Add bytes and files to the quota that an upload uses. Negative numbers release quota."""
        upload.reserved += size
        self._used += size
        self._files += files
        held = self._held(upload.owner)
        held.size = max(0, held.size + size)
        held.files = max(0, held.files + files)

    def _held(self, owner: str | None) -> _Holding:
        """Return the bytes and files that a user has in the folder.

        For an upload without an authenticated user, return a new, empty object.
        """
        if owner is None:
            return _Holding()
        held = self._holdings.get(owner)
        if held is None:
            held = _Holding()
            self._holdings.put(owner, held)
        return held

    def reveal(self, partial: Path, name: str) -> Path:
        """Give a complete file its final name, atomically.

        If the name is used, a number is appended.
        """
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path would drop trailing parts)
        marks = chain(_NUMBERS, iter(lambda: secrets.token_hex(4), None))
        for free in chain([name], (f"{stem} ({mark}){suffix}" for mark in marks)):
            final = self.folder / free
            with contextlib.suppress(FileExistsError):
                # Linking fails if the name is used; renaming would replace the other file.
                os.link(partial, final)
                partial.unlink()
                return final
        raise AssertionError("random names do not end")

    def close(self) -> None:
        """Delete all incomplete files."""
        shutil.rmtree(self.folder / _PARTIAL, ignore_errors=True)


def _not_stored(error: OSError) -> ProtocolError:
    """Return the error for a client whose file could not be written to the disk."""
    return ProtocolError("file_quota", f"The server cannot store it: {error.strerror}.")


def safe_name(name: str) -> str:
    """Return a file name that is valid on all operating systems and stays inside the folder."""
    name = unicodedata.normalize("NFC", name)
    name = name.replace("\\", "/").rpartition("/")[2]
    # Control and format characters can disguise a file name. The listed ones are special on
    # Windows.
    name = "".join("_" if char in '<>:"|?*' else char for char in name if _visible(char))
    name = name.strip().rstrip(". ")
    if not name:
        return "file"
    if name[0] == "." or name.partition(".")[0].strip().casefold() in _RESERVED:
        name = f"_{name}"
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 (a Path would drop trailing parts)
    # Leave space for a number before the suffix.
    suffix = _shortened(suffix, 50)
    return _shortened(stem, limits.FILE_NAME_LENGTH - 20 - len(suffix.encode())) + suffix


def _visible(char: str) -> bool:
    """Return False for control, format, surrogate and separator characters."""
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _shortened(text: str, size: int) -> str:
    """Return the beginning of a text, at most ``size`` bytes in UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
