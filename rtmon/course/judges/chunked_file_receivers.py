"""Judge a receiver of files in chunks: it resumes, and never leaves a partial file."""

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
"""``async def fetch(url, path)``: returns when the whole file stands at ``path``."""

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
_CHUNK = 10_000


async def chunked_receiver(fetch: Fetch) -> Verdict:
    """Judge a function that fetches a file over a bad network.

    After connecting it sends, as text, how many bytes of the file it has (``0`` at the beginning).
    The server answers with a JSON text, ``{"size": …, "sha256": …}`` of the whole file, sends the
    rest in binary messages, and closes with 1000. When the connection ends earlier the function
    connects again.

    Args:
        fetch: see :data:`Fetch`. It raises ``ValueError`` when the hash does not fit.
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
    with tempfile.TemporaryDirectory(prefix="rtmon-judge-") as name:
        yield name


class _Source:
    """A server that has one file, and may lose its links while it sends.

    Attributes:
        asked: the byte from which each connection wanted the file.
        seen: bytes that had been sent when a file first stood at ``path``; 0 if none did.
        path: where the client is to put the file.
        digest: announced instead of the right hash, unless empty.
        cuts: at which bytes the link is cut.
        cut: cuts it.
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
        """Send a client the file, from where it wants it."""
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
        """Break the promise unless the same file stands at a path.

        Raises:
            Broken: it does not.
        """
        if not path.is_file():
            raise Broken(f"`fetch` returned, and nothing stands at {path.name}")
        data = path.read_bytes()
        if data != self.data:
            pairs = zip(data, self.data, strict=False)
            same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
            raise Broken(f"{len(data):,} bytes came, of which the first {same:,} are right")

    async def _until_read(self, connection: ServerConnection) -> None:
        """Wait until the client has answered a ping, which comes after all that was sent."""
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            await asyncio.wait_for(await connection.ping(), self._patience)
