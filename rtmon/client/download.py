"""A download: written beside its path, and moved there when it is as offered."""

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
from .records import Message

__all__ = ["Download"]


class Download:
    """Takes pieces in order, and checks the whole.

    Args:
        offer: the payload of the ``file_offer``.
        path: where the file is to be.
        progress: called with the bytes that are here, and all.

    Attributes:
        file: the transfer's id.
        name: what the sender calls the file.
        ended: whether it is over, well or not.

    Raises:
        OptionError: this is no offer.
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
        """True if nothing more will come."""
        return self._done is not None or self._error is not None

    @property
    def complete(self) -> bool:
        """True if the server has sent all, and so has nothing to stop."""
        return self._done is not None

    @property
    def untold(self) -> int:
        """Bytes received since :meth:`tell`."""
        return self._received - self._told

    def tell(self) -> int:
        """Return the bytes received, to tell the server."""
        self._told = self._received
        return self._told

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Take a chunk; one that does not continue what is here is ignored."""
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
        """Take a chunk that came as base64."""
        with contextlib.suppress(TypeError, ValueError):
            self.write(int(payload.get("offset", 0)), base64.b64decode(payload.get("data", "")))

    def done(self, message: Message) -> None:
        """Note that the server has sent all."""
        self._done = message

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self._error = self._error or error

    def finish(self) -> Message:
        """Check the file and put it into its place.

        Raises:
            ProtocolError: it is not as it was offered, or the transfer ended early.
            OSError: it could not be written.
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
