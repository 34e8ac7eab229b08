"""Limits on what clients' uploads may use of the hub's folder: bytes, files, and share per user."""

from __future__ import annotations

import re
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from rtmon.errors import OptionError, ProtocolError
from rtmon.hub import Hub
from rtmon.hub.files.store import FileStore
from rtmon.protocol import limits
from rtmon.protocol.binary_messages import encode_chunk
from rtmon.testing import FakeClock
from tests.hub.conftest import TRANSPORTS
from tests.hub.tokens import login, token

MIB = 1 << 20
REPRESENTATIVE = ("websocket-json", "asgi-msgpack", "sse", "socketio-polling")
EVERYWHERE = [
    each if each in REPRESENTATIVE else pytest.param(each, marks=pytest.mark.matrix)
    for each in TRANSPORTS
]
LATER = limits.FILE_RESERVED + 0.1


async def offer(client: Any, size: int, name: str = "a") -> dict[str, Any]:
    """Offer a file of this size to the hub, and return the hub's reply."""
    answer: dict[str, Any] = await client.ask("file_offer", {"name": name, "size": size})
    return answer


def code(answer: dict[str, Any]) -> str:
    """Return the error code of a reply, or its message type when the reply is no error."""
    return str(answer["payload"].get("code", answer["type"]))


@pytest.mark.parametrize("over", EVERYWHERE)
async def test_reserved_space_of_an_upload_without_bytes_is_freed_after_its_timeout(
    start: Any, tmp_path: Path, over: str
) -> None:
    """Hub frees the space reserved for an offered file when no bytes arrive before the timeout,
    so that other clients can upload.
    """
    clock = FakeClock()
    place = await start(files=tmp_path, clock=clock.monotonic)
    ada, eve = await place.connect("ada", over=over), await place.connect("eve", over=over)
    bo = await place.connect("bo", over=over)
    for client in (ada, eve):
        assert [code(await offer(client, 100 * MIB)) for _ in range(5)] == ["ack"] * 5
    assert code(await offer(bo, MIB)) == "file_quota"
    clock.advance(LATER)
    assert code(await offer(bo, 100 * MIB)) == "ack"
    # After an unused offer, a client's later offers reserve space only when bytes arrive.
    # Completing an empty file does not change this.
    await ada.ask("file_done", {"file": (await offer(ada, 0, "empty"))["payload"]["file"]})
    for client in (ada, eve):
        assert [code(await offer(client, 100 * MIB)) for _ in range(5)] == ["ack"] * 5
    assert code(await offer(bo, 100 * MIB)) == "ack"


async def test_offers_without_bytes_stop_counting_as_uploads_after_their_timeout(
    start: Any, tmp_path: Path
) -> None:
    """Hub refuses an upload when too many uploads are under way, and stops counting file offers
    without bytes after their timeout.
    """
    clock = FakeClock()
    place = await start(files=tmp_path, clock=clock.monotonic, rate=1e6, burst=10_000)
    ada, bo = await place.connect("ada"), await place.connect("bo")
    for number in range(limits.FILES_UNDER_WAY):
        if number % limits.FILES_PER_CLIENT == 0:
            await ada.ask("connect", {"session": f"sender-{number}"})
        assert code(await offer(ada, 0)) == "ack"
    assert code(await offer(bo, 1)) == "files_refused"
    clock.advance(LATER)
    assert code(await offer(bo, 1)) == "ack"
    assert len(list((tmp_path / ".partial").iterdir())) == 1


async def test_paused_upload_releases_its_reserved_space_and_can_continue(
    start: Any, tmp_path: Path
) -> None:
    """Hub gives the reserved space of a paused upload to another client, and lets the upload
    continue once there is space again.
    """
    clock = FakeClock()
    place = await start(files=tmp_path, file_size=90, file_quota=100, clock=clock.monotonic)
    ada, bo = await place.connect("ada"), await place.connect("bo")
    file = (await offer(ada, 90))["payload"]["file"]
    await ada.raw(encode_chunk(file, 0, b"x" * 10))
    await ada.ask("ping")
    assert code(await offer(bo, 80)) == "file_quota"
    clock.advance(LATER)
    other = await offer(bo, 80)
    assert code(other) == "ack"
    await bo.raw(encode_chunk(other["payload"]["file"], 0, b"y"))
    await bo.ask("ping")
    await ada.raw(encode_chunk(file, 10, b"x" * 80))
    refused = await ada.next("error")
    assert (code(refused), refused["payload"]["retry"]) == ("file_quota", True)
    await bo.ask("file_abort", {"file": other["payload"]["file"]})
    await ada.raw(encode_chunk(file, 10, b"x" * 80))
    done = await ada.ask("file_done", {"file": file})
    assert done["type"] == "file_done"
    assert (tmp_path / "a").read_bytes() == b"x" * 90


async def test_user_cannot_exceed_half_of_the_file_quota_over_all_connections(
    start: Any, tmp_path: Path
) -> None:
    """Hub refuses a user's files above half of the file quota, counted over all connections of
    this user, and accepts files of another user.
    """
    place = await start(files=tmp_path, file_size=400, file_quota=1_000, auth=login())
    ada, again = [await place.connect(token=token("ada")) for _ in range(2)]
    bo = await place.connect(token=token("bo"))
    for client in (ada, again):
        assert code(await offer(client, 250)) == "ack"
    for client in (ada, again):
        refused = await offer(client, 1)
        assert code(refused) == "file_quota"
        assert "500 bytes in 2 files" in refused["payload"]["message"]
    assert code(await offer(bo, 400)) == "ack"


async def test_hub_refuses_files_above_file_count_even_when_empty(
    start: Any, tmp_path: Path
) -> None:
    """Hub refuses an upload above ``file_count``, and counts empty files, unfinished uploads and
    files stored before the hub started.
    """
    (tmp_path / "was here").write_bytes(b"")
    place = await start(files=tmp_path, file_count=4)
    ada = await place.connect("ada")
    for number in range(2):
        answer = await ada.ask("file_metadata", {"name": f"n{number}", "size": 0, "type": ""})
        assert answer["type"] in {"ack", "file_done"}
    file = (await offer(ada, 0))["payload"]["file"]
    assert code(await offer(ada, 0)) == "file_quota"
    await ada.ask("file_abort", {"file": file})
    assert code(await offer(ada, 0)) == "ack"


async def test_user_cannot_exceed_half_of_the_file_count(start: Any, tmp_path: Path) -> None:
    """Hub with ``file_count=4`` accepts two files of each user, and refuses the third."""
    place = await start(files=tmp_path, file_count=4, auth=login())
    ada, bo = [await place.connect(token=token(user)) for user in ("ada", "bo")]
    assert [code(await offer(ada, 0)) for _ in range(3)] == ["ack", "ack", "file_quota"]
    assert [code(await offer(bo, 0)) for _ in range(3)] == ["ack", "ack", "file_quota"]


def stored(store: FileStore, name: str, data: bytes = b"") -> str:
    """Store a file, and return the name that the store gave it."""
    upload = store.begin(name, len(data), None)
    upload.write(0, data)
    return upload.finish(None).path.name


def test_file_store_adds_random_suffix_after_nine_files_of_one_name(tmp_path: Path) -> None:
    """File store adds a number to the second to ninth file of one name, and a random
    hexadecimal suffix from the tenth file on.
    """
    store = FileStore(tmp_path, size=100, quota=100)
    names = [stored(store, "n.txt") for _ in range(30)]
    assert names[:9] == ["n.txt", *(f"n ({number}).txt" for number in range(2, 10))]
    assert all(re.fullmatch(r"n \([0-9a-f]{8}\)\.txt", name) for name in names[9:])
    assert len(set(names)) == 30


@pytest.mark.matrix
def test_file_store_time_per_file_less_than_triples_over_3000_files_of_one_name(
    tmp_path: Path,
) -> None:
    """File store's median time per file less than triples while 2,985 files of one name are
    stored.
    """
    store = FileStore(tmp_path, size=100, quota=100)
    times = []
    for _ in range(2_985):
        began = time.perf_counter()
        stored(store, "file")
        times.append(time.perf_counter() - began)
    first, last = sorted(times[20:320]), sorted(times[-300:])
    assert last[150] < 3 * first[150]


def test_file_store_raises_file_quota_error_when_the_disk_is_full(tmp_path: Path) -> None:
    """File store raises ProtocolError with ``file_quota`` when a file cannot be written, and the
    aborted upload leaves no file.
    """
    store = FileStore(tmp_path, size=8_000, quota=8_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    upload = store.begin("a", 8_000, None)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
        upload.write(0, bytes(8_000))
        with pytest.raises(ProtocolError, match="cannot store") as refused:
            upload.finish(None)
        assert refused.value.code == "file_quota"
        upload.abort()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.rglob("*")] == [".partial"]
    assert stored(store, "a", bytes(8_000)) == "a"


@pytest.mark.parametrize(("option", "value"), [("file_count", -1), ("file_share", 0)])
def test_hub_rejects_invalid_file_count_and_file_share(option: str, value: float) -> None:
    """Hub raises OptionError that names the option for ``file_count=-1`` and ``file_share=0``."""
    with pytest.raises(OptionError, match=option):
        Hub(**{option: value})
