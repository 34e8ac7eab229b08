"""What uploads may hold of the server's folder: room reserved, number of files, a user's share."""

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
    """Offer a file. Returns the answer."""
    answer: dict[str, Any] = await client.ask("file_offer", {"name": name, "size": size})
    return answer


def code(answer: dict[str, Any]) -> str:
    """Return the code of an error, or the type of another answer."""
    return str(answer["payload"].get("code", answer["type"]))


@pytest.mark.parametrize("over", EVERYWHERE)
async def test_offers_without_bytes_block_nobody_after_seconds(
    start: Any, tmp_path: Path, over: str
) -> None:
    """Ten offers of 100 MiB without a byte following fill the quota for ten seconds, and once."""
    clock = FakeClock()
    place = await start(files=tmp_path, clock=clock.monotonic)
    ada, eve = await place.connect("ada", over=over), await place.connect("eve", over=over)
    bo = await place.connect("bo", over=over)
    for client in (ada, eve):
        assert [code(await offer(client, 100 * MIB)) for _ in range(5)] == ["ack"] * 5
    assert code(await offer(bo, MIB)) == "file_quota"
    clock.advance(LATER)
    assert code(await offer(bo, 100 * MIB)) == "ack"
    # A client that offered for nothing has room reserved once bytes come; an empty file has none.
    await ada.ask("file_done", {"file": (await offer(ada, 0, "empty"))["payload"]["file"]})
    for client in (ada, eve):
        assert [code(await offer(client, 100 * MIB)) for _ in range(5)] == ["ack"] * 5
    assert code(await offer(bo, 100 * MIB)) == "ack"


async def test_offers_without_bytes_free_their_places_after_seconds(
    start: Any, tmp_path: Path
) -> None:
    """Uploads that never begin do not keep others from sending, though they are many."""
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


async def test_upload_that_pauses_gives_back_its_room_and_goes_on(
    start: Any, tmp_path: Path
) -> None:
    """Received bytes stay; the room for the rest goes to other uploads meanwhile, and is
    reserved again after.
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


async def test_user_takes_no_more_than_a_share_of_the_folder(start: Any, tmp_path: Path) -> None:
    """A user's files count together over all connections; other users have room all the same."""
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


async def test_files_are_counted_and_bounded(start: Any, tmp_path: Path) -> None:
    """Empty files count: those that were there, those that came, and those under way."""
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


async def test_user_takes_no_more_than_a_share_of_the_number(start: Any, tmp_path: Path) -> None:
    """Of four files, one user may have two."""
    place = await start(files=tmp_path, file_count=4, auth=login())
    ada, bo = [await place.connect(token=token(user)) for user in ("ada", "bo")]
    assert [code(await offer(ada, 0)) for _ in range(3)] == ["ack", "ack", "file_quota"]
    assert [code(await offer(bo, 0)) for _ in range(3)] == ["ack", "ack", "file_quota"]


def stored(store: FileStore, name: str, data: bytes = b"") -> str:
    """Store a file. Returns the name that it was given."""
    upload = store.begin(name, len(data), None)
    upload.write(0, data)
    return upload.finish(None).path.name


def test_name_is_free_after_few_attempts_when_it_was_given_often(tmp_path: Path) -> None:
    """The tenth file of a name and all later ones get random marks: nothing is searched."""
    store = FileStore(tmp_path, size=100, quota=100)
    names = [stored(store, "n.txt") for _ in range(30)]
    assert names[:9] == ["n.txt", *(f"n ({number}).txt" for number in range(2, 10))]
    assert all(re.fullmatch(r"n \([0-9a-f]{8}\)\.txt", name) for name in names[9:])
    assert len(set(names)) == 30


@pytest.mark.matrix
def test_three_thousandth_file_of_a_name_takes_no_longer(tmp_path: Path) -> None:
    """2,985 empty files of one name slow down none that follows."""
    store = FileStore(tmp_path, size=100, quota=100)
    times = []
    for _ in range(2_985):
        began = time.perf_counter()
        stored(store, "file")
        times.append(time.perf_counter() - began)
    first, last = sorted(times[20:320]), sorted(times[-300:])
    assert last[150] < 3 * first[150]


def test_store_refuses_and_forgets_file_when_the_disk_takes_no_more(tmp_path: Path) -> None:
    """A disk that is full at the last byte is told as such, and the room is free again."""
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
def test_hub_refuses_bound_of_files_that_makes_no_sense(option: str, value: float) -> None:
    """A number of files below zero, and a share of nothing, are an OptionError that names it."""
    with pytest.raises(OptionError, match=option):
        Hub(**{option: value})
