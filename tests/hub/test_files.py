"""File transfer: uploads, downloads, resuming, limits, and safe file names."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.errors import ProtocolError
from rtmon.hub.files.store import FileStore, safe_name
from rtmon.protocol import limits
from rtmon.protocol.binary_messages import decode_chunk, encode_chunk
from rtmon.testing import FakeClock
from tests.hub.tokens import login, token

Place = Any


def digest(data: bytes) -> str:
    """Return the SHA-256 of the data in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


async def upload(client: Any, name: str, data: bytes, **offer: Any) -> dict[str, Any]:
    """Upload a whole file, and return the payload of the hub's last reply."""
    offer = {"name": name, "size": len(data), "sha256": digest(data), **offer}
    answer = (await client.ask("file_offer", offer))["payload"]
    await chunks(client, answer["file"], data)
    return (await client.ask("file_done", {"file": answer["file"]}))["payload"]  # type: ignore[no-any-return]


async def chunks(
    client: Any, file: str, data: bytes, start: int = 0, end: int | None = None
) -> None:
    """Send the bytes of a file from ``start`` to ``end`` in binary chunks."""
    for offset in range(start, len(data) if end is None else end, 16_384):
        await client.raw(encode_chunk(file, offset, data[offset : offset + 16_384]))


async def download(client: Any, file: str, size: int, have: bytes = b"") -> bytes:
    """Download an offered file, starting after the bytes in ``have``."""
    data, told = have, len(have)
    await client.send("ack", {"file": file, "offset": len(data)})
    while len(data) < size:
        client.heard.clear()
        message = await client.receive()
        if not (isinstance(message, bytes) and message[:1] == b"\x01"):
            continue
        got, offset, part = decode_chunk(message)
        assert (got, offset) == (file, len(data))
        data += part
        if len(data) - told >= 262_144:
            told = len(data)
            await client.send("ack", {"file": file, "offset": told})
    return data


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """The folder in which the hub stores files."""
    return tmp_path / "received"


def visible(folder: Path) -> set[str]:
    """Return the names of the files in the folder that are not hidden."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.mark.parametrize("over", ["websocket-json", "websocket-msgpack"])
async def test_uploaded_file_reaches_the_other_members_of_a_room(
    start: Any, folder: Path, over: str
) -> None:
    """Hub offers an uploaded file of 3 MB to the room's other members, who download the same
    bytes.
    """
    place = await start(files=folder)
    ada, bo = await place.connect("ada", over=over), await place.connect("bo", over=over)
    for client in (ada, bo):
        await client.ask("join_room", {"room": "r"})
    data = os.urandom(3_000_000)
    done = await upload(ada, "big.bin", data, room="r", mime="x/y")
    assert done == {
        "file": done["file"],
        "name": "big.bin",
        "size": len(data),
        "sha256": digest(data),
    }
    progress = [m["payload"]["received"] for m in ada.heard if "received" in m["payload"]]
    assert progress == sorted(progress)
    assert len(progress) >= len(data) // 300_000
    offered = (await bo.next("file_offer"))["payload"]
    assert offered == {**done, "from": ada.id, "mime": "x/y", "room": "r"}
    assert await download(bo, done["file"], len(data)) == data
    assert (await bo.next("file_done"))["payload"]["sha256"] == digest(data)
    assert [m for m in await ada.quiet() if m["type"] == "file_offer"] == []


async def test_upload_resumes_after_a_reconnect(start: Any, folder: Path) -> None:
    """Client that reconnects resumes its upload after the bytes that the hub has received, and
    the file appears only when it is complete.
    """
    place = await start(files=folder)
    ada = await place.connect("ada")
    data = os.urandom(100_000)
    offer = {"name": "a.bin", "size": len(data), "sha256": digest(data)}
    file = (await ada.ask("file_offer", offer))["payload"]["file"]
    await chunks(ada, file, data, end=49_152)
    await ada.ask("ping")
    assert visible(folder) == set()
    await ada.leave()
    ada = await place.connect("ada")
    answer = (await ada.ask("file_offer", {**offer, "file": file}))["payload"]
    assert answer == {"file": file, "received": 49_152, "chunk": 65_536}
    await chunks(ada, file, data, start=49_152)
    done = (await ada.ask("file_done", {"file": file}))["payload"]
    assert done["sha256"] == digest(data)
    assert (folder / "a.bin").read_bytes() == data


async def test_download_resumes_after_a_reconnect(start: Any, folder: Path) -> None:
    """Client that reconnects resumes its download after the bytes that it already has."""
    place = await start(files=folder)
    ada, bo = await place.connect("ada"), await place.connect("bo")
    data = os.urandom(200_000)
    await upload(ada, "a.bin", data, to=bo.id)
    file = (await bo.next("file_offer"))["payload"]["file"]
    part = await download(bo, file, 50_000)
    await bo.leave()
    bo = await place.connect("bo")
    assert await download(bo, file, len(data), have=part) == data


async def test_download_is_never_more_than_one_mebibyte_ahead_of_the_acks(
    start: Any, folder: Path
) -> None:
    """Hub sends at most 1 MiB of a file beyond what the downloading client has acknowledged."""
    place = await start(files=folder)
    ada, bo = await place.connect("ada"), await place.connect("bo")
    data = bytes(2_000_000)
    await upload(ada, "a.bin", data, to=bo.id)
    file = (await bo.next("file_offer"))["payload"]["file"]
    await bo.send("ack", {"file": file})
    got = sum(len(m["payload"]) - 42 for m in await bo.quiet() if m["type"] == "binary")
    assert got == 1_048_576
    await bo.ask("file_abort", {"file": file})
    await bo.send("ack", {"file": file, "offset": len(data) - 10})
    assert (await bo.next("file_done"))["payload"]["size"] == len(data)


async def test_upload_that_differs_from_its_offer_is_removed(start: Any, folder: Path) -> None:
    """Hub answers ``file_mismatch`` and removes the upload when its size or SHA-256 differs from
    the offer.
    """
    place = await start(files=folder)
    ada = await place.connect("ada")
    answer = await ada.ask("file_offer", {"name": "a", "size": 4, "sha256": "0" * 64})
    file = answer["payload"]["file"]
    await chunks(ada, file, b"abcd")
    done = await ada.ask("file_done", {"file": file})
    assert done["payload"]["code"] == "file_mismatch"
    file = (await ada.ask("file_offer", {"name": "a", "size": 4}))["payload"]["file"]
    await chunks(ada, file, b"abcde")
    assert (await ada.next("error"))["payload"]["code"] == "file_mismatch"
    await chunks(ada, file, b"ab")
    done = await ada.ask("file_done", {"file": file, "sha256": digest(b"ab")})
    assert done["payload"]["code"] == "file_mismatch"
    assert (await ada.ask("file_done", {"file": file}))["payload"]["code"] == "unknown_file"
    assert visible(folder) == set()
    assert list((folder / ".partial").iterdir()) == []


async def test_aborted_upload_frees_its_quota_and_its_partial_file(
    start: Any, folder: Path
) -> None:
    """Hub deletes the partial file of an aborted upload, and frees its share of the quota."""
    place = await start(files=folder, file_quota=100)
    ada = await place.connect("ada")
    for _ in range(3):
        file = (await ada.ask("file_offer", {"name": "a", "size": 90}))["payload"]["file"]
        await chunks(ada, file, b"x" * 50)
        assert (await ada.ask("file_abort", {"file": file}))["type"] == "ack"
    assert list((folder / ".partial").iterdir()) == []


async def test_hub_refuses_file_offers_above_size_quota_or_number(start: Any, folder: Path) -> None:
    """Hub refuses a file offer above the file size, the quota or the number of transfers, and
    refuses every offer when the hub has no folder for files.
    """
    place = await start(files=folder, file_size=50, file_quota=100)
    ada, bo = await place.connect("ada"), await place.connect("bo")
    refused = await ada.ask("file_offer", {"name": "a", "size": 51})
    assert refused["payload"]["code"] == "file_too_large"
    for _ in range(2):
        await ada.ask("file_offer", {"name": "a", "size": 50})
    assert (await bo.ask("file_offer", {"name": "a", "size": 1}))["payload"]["code"] == "file_quota"
    for _ in range(6):
        await ada.ask("file_offer", {"name": "a", "size": 0})
    refused = await ada.ask("file_offer", {"name": "a", "size": 0})
    assert refused["payload"]["code"] == "files_refused"
    other = await start()
    cy = await other.connect("cy")
    refused = await cy.ask("file_offer", {"name": "a", "size": 1})
    assert refused["payload"]["code"] == "files_refused"


async def test_hub_limits_unfinished_uploads_over_all_sessions(start: Any, folder: Path) -> None:
    """Hub refuses an upload when too many uploads of all sessions together are unfinished, and
    accepts an upload after one of them is aborted.
    """
    place = await start(files=folder, rate=1e6, burst=10_000)
    ada = await place.connect("ada")
    files = []
    for number in range(limits.FILES_UNDER_WAY):
        if number % limits.FILES_PER_CLIENT == 0:
            await ada.ask("connect", {"session": f"sender-{number}"})
        offered = await ada.ask("file_offer", {"name": "a", "size": 0})
        files.append(offered["payload"]["file"])
    await ada.ask("connect", {"session": "another"})
    refused = await ada.ask("file_offer", {"name": "a", "size": 0})
    assert refused["payload"]["code"] == "files_refused"
    await ada.ask("connect", {"session": "sender-0"})
    await ada.ask("file_abort", {"file": files[0]})
    assert (await ada.ask("file_offer", {"name": "a", "size": 0}))["type"] == "ack"


async def test_file_chunks_do_not_count_against_rate_limits_unless_empty(
    start: Any, folder: Path
) -> None:
    """Hub does not count file chunks against the rate limits of client, user or address, except
    empty ones.
    """
    clock = FakeClock()
    place = await start(
        files=folder,
        auth=login(),
        clock=clock.monotonic,
        **dict.fromkeys(("rate", "user_rate", "address_rate"), 1),
        **dict.fromkeys(("burst", "user_burst", "address_burst"), 6),
    )
    ada = await place.connect("ada", token=token())
    offered = await ada.ask("file_offer", {"name": "a", "size": 20 * 1024})
    file = offered["payload"]["file"]
    for number in range(20):
        await ada.raw(encode_chunk(file, number * 1024, bytes(1024)))
    assert (await ada.ask("ping"))["type"] == "pong"
    for _ in range(20):
        await ada.raw(encode_chunk(file, 20 * 1024, b""))
    assert (await ada.ask("ping"))["payload"]["code"] == "rate_limited"


async def test_client_cannot_continue_finish_or_abort_another_clients_upload(
    start: Any, folder: Path
) -> None:
    """Hub answers ``unknown_file`` when a client adds to, finishes or aborts another client's
    upload.
    """
    place = await start(files=folder)
    ada, bo = await place.connect("ada"), await place.connect("bo")
    file = (await ada.ask("file_offer", {"name": "a", "size": 2}))["payload"]["file"]
    await bo.raw(encode_chunk(file, 0, b"xx"))
    assert (await bo.next("error"))["payload"]["code"] == "unknown_file"
    for kind in ("file_done", "file_abort"):
        assert (await bo.ask(kind, {"file": file}))["payload"]["code"] == "unknown_file"
    await ada.raw(encode_chunk(file, 1, b"x"))
    assert (await ada.next("error"))["payload"]["code"] == "file_offset"
    await ada.raw(encode_chunk(file, 0, bytes(65_537)))
    assert (await ada.next("error"))["payload"]["code"] == "too_large"


async def test_hub_stores_file_sent_as_base64_chunks(start: Any, folder: Path) -> None:
    """Hub stores a file whose chunks are sent as base64 in JSON messages."""
    place = await start(files=folder)
    ada = await place.connect("ada")
    file = (await ada.ask("file_offer", {"name": "a", "size": 4}))["payload"]["file"]
    await ada.send("file_chunk", {"file": file, "offset": 0, "data": "AAEC"})
    await ada.send("file_chunk", {"file": file, "offset": 3, "data": "Aw=="})
    await ada.ask("file_done", {"file": file, "sha256": digest(bytes(range(4)))})
    assert (folder / "a").read_bytes() == bytes(range(4))


async def test_files_of_the_same_name_get_numbers(start: Any, folder: Path) -> None:
    """Hub stores three files of one name, uploaded at the same time, under different, numbered
    names.
    """
    place = await start(files=folder)
    people = [await place.connect(str(number)) for number in range(3)]
    done = await asyncio.gather(*[upload(c, "n.tar.gz", c.id.encode()) for c in people])
    assert {d["name"] for d in done} == {"n.tar.gz", "n.tar (2).gz", "n.tar (3).gz"}
    for client, note in zip(people, done, strict=True):
        assert (folder / note["name"]).read_bytes() == client.id.encode()


HOSTILE = {
    "../../etc/passwd": "passwd",
    "..\\..\\windows\\x.dll": "x.dll",
    "/absolute": "absolute",
    "..": "file",
    "../": "file",
    ".bashrc": "_.bashrc",
    "CON": "_CON",
    "nul.txt": "_nul.txt",
    "a\x00b": "ab",
    "photo\u202egnp.exe": "photognp.exe",
    "a:b|c?.txt": "a_b_c_.txt",
    "trailing. . ": "trailing",
    "": "file",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_safe_name_turns_hostile_file_name_into_a_plain_one(name: str) -> None:
    """Hostile file name, such as ``../../etc/passwd``, becomes a plain file name without a path."""
    assert safe_name(name) == HOSTILE[name]


@given(st.text(max_size=300))
def test_safe_name_never_leads_outside_the_folder(name: str) -> None:
    """``safe_name()`` turns any text into the name of a visible file inside the folder, and
    returns its own results unchanged.
    """
    safe = safe_name(name)
    path = Path("/folder") / safe
    assert path.parent == Path("/folder")
    assert os.path.normpath(path) == str(path)
    assert not safe.startswith(".")
    assert 0 < len(safe.encode()) <= 240
    assert safe_name(safe) == safe


def test_file_store_removes_partial_files_and_counts_complete_ones_at_start(tmp_path: Path) -> None:
    """File store deletes partial files of an earlier run, and counts complete files against the
    quota.
    """
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / "old").write_bytes(b"x")
    (tmp_path / "kept").write_bytes(b"x" * 60)
    store = FileStore(tmp_path, size=100, quota=100)
    assert list((tmp_path / ".partial").iterdir()) == []
    with pytest.raises(ProtocolError, match="full"):
        store.begin("a", 41, None)
    upload = store.begin("kept", 40, None)
    upload.write(0, b"y" * 40)
    assert upload.finish(None).path.name == "kept (2)"
    assert (tmp_path / "kept").read_bytes() == b"x" * 60
