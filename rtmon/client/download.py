"""Write a received file to a temporary file, and rename it if size and checksum are right."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from ..errors import OptionError, ProtocolError
from .result_types import Message

__all__ = ["Download"]


class Download:
    """Writes the received chunks of a file in order, then checks its size and checksum.

    Args:
        offer: the payload of the ``file_offer`` message.
        path: path of the complete file.
        progress: called with the number of bytes received so far, and the total.

    Attributes:
        file: id of the transfer.
        name: file name in the offer.

    Raises:
        OptionError: ``offer`` is not the payload of a valid ``file_offer``.
    """

    def __init__(self, offer: Any, path: Path, progress: Callable[[int, int], None] | None) -> None:
        try:
            self.file, self._size = str(offer["file"]), int(offer["size"])
            self.name, self._sha256 = str(offer["name"]), str(offer["sha256"])
        except (KeyError, TypeError, ValueError):
            raise OptionError("This is no file_offer: give the message as it came.") from None
        self._path = path
        self._part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
        self._progress = progress
        self._stream = self._part.open("xb")
        self._digest = hashlib.sha256()
        self._received = self._told = 0
        self._done: Message | None = None
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()
        with contextlib.suppress(FileNotFoundError):
            self._part.unlink()

    @property
    def ended(self) -> bool:
        """True if the download has succeeded or failed: no more chunks are accepted."""
        return self._done is not None or self._error is not None

    @property
    def complete(self) -> bool:
        """True if the server has reported the end of the file, so the transfer needs no abort."""
        return self._done is not None

    @property
    def untold(self) -> int:
        """Number of bytes received since the last call of :meth:`tell`."""
        return self._received - self._told

    def tell(self) -> int:
        """Return the number of bytes received so far, to be acknowledged to the server."""
        self._told = self._received
        return self._told

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write a chunk. Ignore a chunk that does not start where the last one ended."""
        if offset != self._received or self.ended:
            return
        if self._received + len(data) > self._size:
            self.fail(ProtocolError("file_mismatch", f"{self.name!r} is larger than offered."))
            return
        try:
            self._stream.write(data)
            self._digest.update(data)
            self._received += len(data)
            if self._progress is not None:
                self._progress(self._received, self._size)
        except Exception as error:  # noqa: BLE001 - a full disk ends this transfer, not the client
            self.fail(error)

    def write_encoded(self, payload: dict[str, Any]) -> None:
        """Write a chunk from the payload of a ``file_chunk`` message, encoded as base64."""
        with contextlib.suppress(TypeError, ValueError):
            self.write(int(payload.get("offset", 0)), base64.b64decode(payload.get("data", "")))

    def done(self, message: Message) -> None:
        """Record the server's ``file_done`` message: no more chunks will come."""
        self._done = message

    def fail(self, error: Exception) -> None:
        """Record that the download has failed. The first error is kept."""
        self._error = self._error or error

    def finish(self) -> Message:
        """Check the complete file, and rename it to its final path.

        Returns:
            The server's ``file_done`` message.

        Raises:
            ProtocolError: size or checksum differ from the offer, or the transfer ended early.
            OSError: the file could not be written.
        """
        if self._error is not None or self._done is None:
            raise self._error or ProtocolError("file_aborted", f"{self.name!r} is not complete.")
        if self._received != self._size or self._digest.hexdigest() != self._sha256:
            raise ProtocolError(
                "file_mismatch", f"{self.name!r} is not what was offered: receive it again."
            )
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._part.replace(self._path)
        return self._done
