"""Files sent from one Python client to another."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from rtmon.errors import OptionError, ProtocolError
from rtmon.testing import until

Place = Any


async def offered(client: Any) -> Any:
    """Return the next ``file_offer`` message that a client receives."""
    async for message in client:
        if message.type == "file_offer":
            return message
    raise AssertionError("no offer")


def names(folder: Path) -> list[str]:
    """Return the sorted names in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_file_sent_to_another_client_arrives_unchanged_with_progress(
    start: Any, tmp_path: Path, codec: Any
) -> None:
    """File that a Python client sends to another Python client arrives unchanged, and both
    clients get progress callbacks.
    """
    place = await start(files=tmp_path / "hub")
    ada, bo = await place.connect(codec=codec), await place.connect()
    data = os.urandom(3_000_000)
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    source.write_bytes(data)
    up: list[tuple[int, int]] = []
    down: list[tuple[int, int]] = []
    done = await ada.send_file(
        source, to=bo.client_id, progress=lambda now, size: up.append((now, size))
    )
    assert done.payload["name"] == "source.bin"
    await bo.receive_file(
        await offered(bo), target, progress=lambda now, size: down.append((now, size))
    )
    assert target.read_bytes() == data
    for seen in (up, down):
        assert seen == sorted(seen)
        assert seen[-1] == (len(data), len(data))
        assert len(seen) > 2


async def test_file_transfer_continues_after_each_connection_loss(
    start: Any, tmp_path: Path
) -> None:
    """File transfer continues after each of three connection losses, for upload and download."""
    place = await start(files=tmp_path / "hub")
    ada, bo = await place.connect(), await place.connect()
    await asyncio.gather(ada.join("r"), bo.join("r"))
    data = os.urandom(6_000_000)
    cuts = 0

    def cut(now: int, size: int) -> None:
        nonlocal cuts
        if now > (cuts + 1) * 1_500_000 and now < size:
            cuts += 1
            place.proxy.cut()

    done = await ada.send_file(data, name="a.bin", progress=cut)
    assert cuts == 3
    assert (tmp_path / "hub" / "a.bin").read_bytes() == data
    assert done.payload["size"] == len(data)
    await asyncio.gather(ada.wait_open(), bo.wait_open())
    await bo.join("r")
    await ada.send_file(data, name="b.bin", room="r")
    offer = await offered(bo)
    cuts = 0
    await bo.receive_file(offer, tmp_path / "b.bin", progress=cut)
    assert cuts == 3
    assert (tmp_path / "b.bin").read_bytes() == data
    assert names(tmp_path) == ["b.bin", "hub"]


async def test_upload_starts_again_when_the_server_has_restarted(
    start: Any, tmp_path: Path
) -> None:
    """Upload starts again when the server has restarted, and the new server stores the whole
    file.
    """
    place = await start(files=tmp_path / "one")
    client = await place.connect()
    data = os.urandom(4_000_000)
    seen: list[int] = []
    sending = asyncio.create_task(
        client.send_file(data, name="a.bin", progress=lambda now, _: seen.append(now))
    )
    await until(lambda: seen)
    port = place.server.port
    await place.stop()
    await place.serve(port=port, files=tmp_path / "two")
    await sending
    assert (tmp_path / "two" / "a.bin").read_bytes() == data


async def test_refused_file_transfer_raises_and_leaves_no_partial_file(
    start: Any, place: Place, tmp_path: Path
) -> None:
    """File transfer that the hub refuses raises ProtocolError, and leaves no partial file."""
    client = await place.connect()
    with pytest.raises(ProtocolError) as refused:
        await client.send_file(b"x", name="a")
    assert refused.value.code == "files_refused"
    with pytest.raises(OptionError, match="name"):
        await client.send_file(b"x")
    taking = await start(files=tmp_path / "hub")
    ada, bo = await taking.connect(), await taking.connect()
    await ada.send_file(b"", name="empty", to=bo.client_id)
    offer = await offered(bo)
    await bo.receive_file(offer, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""
    offer.payload["file"] = "nothing"
    with pytest.raises(ProtocolError) as refused:
        await bo.receive_file(offer, tmp_path / "none")
    assert refused.value.code == "unknown_file"
    offer.payload["size"] = "large"
    with pytest.raises(OptionError):
        await bo.receive_file(offer, tmp_path / "none")
    assert names(tmp_path) == ["empty", "hub"]


async def test_download_that_differs_from_its_offer_is_discarded(
    start: Any, tmp_path: Path
) -> None:
    """Download whose SHA-256 differs from the offer raises ``file_mismatch``, and no file
    appears.
    """
    place = await start(files=tmp_path / "hub")
    ada, bo = await place.connect(), await place.connect()
    await ada.send_file(b"abc", name="a", to=bo.client_id)
    offer = await offered(bo)
    offer.payload["sha256"] = "0" * 64
    with pytest.raises(ProtocolError) as wrong:
        await bo.receive_file(offer, tmp_path / "a")
    assert wrong.value.code == "file_mismatch"
    assert not (tmp_path / "a").exists()


async def test_exception_or_cancellation_ends_only_its_own_file_transfer(
    start: Any, tmp_path: Path
) -> None:
    """Exception in a progress callback, or a cancellation, ends its own file transfer, and the
    client stays connected.
    """
    place = await start(files=tmp_path / "hub")
    ada, bo = await place.connect(), await place.connect()
    await ada.send_file(bytes(3_000_000), name="a", to=bo.client_id)
    offer = await offered(bo)
    with pytest.raises(ZeroDivisionError):
        await bo.receive_file(offer, tmp_path / "a", progress=lambda now, _: now // 0)
    began = asyncio.Event()
    receiving = asyncio.create_task(
        bo.receive_file(offer, tmp_path / "a", progress=lambda *_: began.set())
    )
    await began.wait()
    receiving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await receiving
    await bo.receive_file(offer, tmp_path / "a")
    assert (tmp_path / "a").stat().st_size == 3_000_000
    assert bo.stats.reconnects == 0


@pytest.mark.parametrize("begun", [True, False])
async def test_upload_succeeds_after_ten_canceled_uploads(
    start: Any,
    tmp_path: Path,
    begun: bool,  # noqa: FBT001
) -> None:
    """Upload succeeds after ten uploads that were canceled before or after the hub's reply."""
    place = await start(files=tmp_path / "hub")
    client = await place.connect()
    for _ in range(10):
        await _cancel_sending(client, begun=begun)
    await client.send_file(b"abc", name="b")
    assert (tmp_path / "hub" / "b").read_bytes() == b"abc"


async def _cancel_sending(client: Any, *, begun: bool) -> None:
    def progress(_: int, __: int) -> None:
        if begun:
            sending.cancel()

    sent = client.stats.sent
    sending = asyncio.create_task(client.send_file(bytes(2_000_000), name="a", progress=progress))
    await until(lambda: sending.done() or (not begun and client.stats.sent > sent))
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    await client.flush()
