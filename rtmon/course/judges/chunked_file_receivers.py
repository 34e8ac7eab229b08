"""Judge a learner's function that downloads a file in chunks over a WebSocket.

The function has to resume after a lost connection, and must never leave a partial file at the
target path.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from .learner_code_errors import describe_error
from .trial import Broken, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["Fetch", "chunked_receiver"]

Fetch = Callable[[str, Path], Awaitable[object]]
"""Type of the learner's function ``async def fetch(url, path)``.

It returns when the complete file is stored at ``path``.
"""

_WHOLE = Promise(
    "a file arrives as it was sent",
    "300,000 bytes, the same as at the server",
    "binary messages are pieces of the file, in order; the server closes after the last one",
)
_HIDDEN = Promise(
    "half a file is never seen under its name",
    "while the file arrives, nothing stands at its path",
    "where could the bytes be until all of them are there?",
)
_RESUMED = Promise(
    "after a cut it goes on where it was",
    "the link is cut twice: each new connection asks for a later byte, and the file is right",
    "how many bytes do you have when the link is cut, and who tells the server?",
)
_FORGED = Promise(
    "a file that does not fit its hash is refused",
    "ValueError is raised, and nothing stands at the path",
    "compare the SHA-256 of what came with what the server announced, before anybody sees the file",
)
_AFRESH = Promise(
    "after a refusal it begins anew",
    "the next try asks for byte 0, and the file is right",
    "what is left on the disk after the refusal?",
)

_SIZE = 300_000
"""Size of the file in bytes."""

_CHUNK = 10_000
"""Size of the server's binary messages in bytes."""


async def chunked_receiver(fetch: Fetch) -> Verdict:
    """Judge a learner's function that downloads a file over connections that fail.

    The function connects, and sends the number of bytes that it has received so far as a text
    message (``0`` at first). The server responds with ``{"size": …, "sha256": …}`` of the complete
    file as JSON. Then it sends the remaining bytes in binary messages, and closes the connection
    with code 1000. If the connection ends without this close code, the function has to connect
    again.

    Args:
        fetch: the learner's function, ``async def fetch(url, path)``. It has to raise
            ``ValueError`` if the file does not match the SHA-256 hash.
    """

    async def scenario(trial: Trial) -> None:
        folder = Path(await trial.enter(_folder()))
        source = _Source(os.urandom(_SIZE), trial.patience)
        proxy = await trial.proxy(await trial.listen(source.handle))

        async def fetched(name: str) -> Path:
            path = source.path = folder / name
            source.asked.clear()
            await trial.call(fetch, proxy.url, path)
            return path

        with trial.promise(_WHOLE):
            source.compare(await fetched("whole.bin"))
        with trial.promise(_HIDDEN):
            if source.seen:
                raise Broken(f"a file stood at its path after {source.seen:,} bytes had been sent")
        with trial.promise(_RESUMED) as found:
            source.cuts = [100_000, 200_000]
            source.cut = proxy.cut
            path = await fetched("cut.bin")
            found.text = f"it asked for bytes {', '.join(f'{at:,}' for at in source.asked)}"
            source.compare(path)
            if sorted(set(source.asked)) != source.asked:
                raise Broken(found.text)
        with trial.promise(_FORGED):
            source.digest = hashlib.sha256(b"something else").hexdigest()
            source.path = path = folder / "forged.bin"
            error = await trial.error(fetch, proxy.url, path)
            if not isinstance(error, ValueError):
                raise Broken(
                    f"`fetch` raised {describe_error(error)}" if error else "nothing was raised"
                )
            if path.exists():
                raise Broken(f"a file of {path.stat().st_size:,} bytes stands at the path")
        with trial.promise(_AFRESH):
            source.digest = ""
            path = await fetched("forged.bin")
            if source.asked[0] != 0:
                raise Broken(f"the next try asked for byte {source.asked[0]:,}")
            source.compare(path)

    return await judged([_WHOLE, _HIDDEN, _RESUMED, _FORGED, _AFRESH], scenario)


@contextlib.asynccontextmanager
async def _folder() -> AsyncIterator[str]:
    """Create a temporary directory, and delete it at the end of the trial."""
    with tempfile.TemporaryDirectory(prefix="rtmon-judge-") as name:
        yield name


class _Source:
    """A server that sends one file, and can cut its connection in the middle of the file.

    Attributes:
        asked: for each connection, the byte offset from which the client requested the file.
        seen: number of bytes that had been sent when a partial file was found at ``path``; 0 if no
            partial file was found.
        path: path at which the client has to store the file.
        digest: wrong SHA-256 hash to send to the client; empty to send the right hash.
        cuts: byte offsets at which the connection is to be cut.
        cut: function that cuts the connection.
    """

    def __init__(self, data: bytes, patience: float) -> None:
        self.data = data
        self._patience = patience
        self.asked: list[int] = []
        self.seen = 0
        self.path = Path()
        self.digest = ""
        self.cuts: list[int] = []
        self.cut: Callable[[], None] = lambda: None

    async def handle(self, connection: ServerConnection) -> None:
        """Send the file to a client, from the byte offset that the client requests."""
        first = await connection.recv()
        if not (isinstance(first, str) and first.isdecimal() and int(first) <= len(self.data)):
            await connection.close(1003, "first send how many bytes you have, as text")
            return
        self.asked.append(int(first))
        digest = self.digest or hashlib.sha256(self.data).hexdigest()
        await connection.send(json.dumps({"size": len(self.data), "sha256": digest}))
        for at in range(int(first), len(self.data), _CHUNK):
            if at and self.path.exists():
                self.seen = self.seen or at
            if self.cuts and at >= self.cuts[0]:
                del self.cuts[0]
                await self._until_read(connection)
                self.cut()
                return
            await connection.send(self.data[at : at + _CHUNK])

    def compare(self, path: Path) -> None:
        """Compare the file that the client has stored at a path with the sent file.

        Raises:
            Broken: there is no file at the path, or its content differs.
        """
        if not path.is_file():
            raise Broken(f"`fetch` returned, and nothing stands at {path.name}")
        data = path.read_bytes()
        if data != self.data:
            pairs = zip(data, self.data, strict=False)
            same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            raise Broken(f"{len(data):,} bytes came, of which the first {same:,} are right")

    async def _until_read(self, connection: ServerConnection) -> None:
        """Wait until the client has received everything that was sent.

        The server sends a ping after the data. The client's pong proves that the data has arrived.
        """
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            await asyncio.wait_for(await connection.ping(), self._patience)
