"""``rtmon.broadcast()`` with shared frames, compared with ``websockets.broadcast()``."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, broadcast

import rtmon
from rtmon import Monitor
from tests.servers.fanout.members import COMPRESSIONS, KINDS, open_pair, read, shares
from tests.servers.fanout.receiver import Receiver

HAS_TEXT = "text" in inspect.signature(broadcast).parameters

_STATES = (
    "open", "open", "open", "paused", "closing", "closed", "in a message", "message given up",
    "something written", "transport fails",
)  # fmt: skip

_messages = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    st.sampled_from(["x" * 125, "x" * 126, b"y" * 65_535, "x" * 65_536, "é\ud800", 7, None, ["a"]]),
    st.binary(max_size=9).map(bytearray),
    st.binary(max_size=9).map(memoryview),
)


async def _begun() -> Any:
    yield "begun"
    await asyncio.get_running_loop().create_future()


async def _bring_to(pair: Any, state: str) -> asyncio.Task[Any] | None:
    connection, sending = pair.connection, None
    if state == "paused":
        connection.pause_writing()
    elif state == "closing":
        connection.protocol.send_close(1000)
        connection.send_data()
    elif state == "closed":
        pair.transport.closing = True
        connection.connection_lost(None)
    elif state in {"in a message", "message given up"}:
        sending = asyncio.ensure_future(connection.send(_begun()))
        for _ in range(4):
            await asyncio.sleep(0)
        if state == "message given up":
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    elif state == "something written":
        connection.protocol.send_text(b"before")
    elif state == "transport fails":
        pair.transport.failure = OSError("no route")
    return sending


async def _outcome(
    function: Any, members: list[tuple[str, str, str]], message: Any, options: dict[str, Any]
) -> tuple[Any, list[Any], list[str], Monitor]:
    """Run a broadcast; return its exceptions, what each member read and counted, and its log
    lines.
    """
    monitor, lines = Monitor(interval=3600), []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("websockets.server").addHandler(handler)
    raised: Any = None
    pairs, tasks = [], []
    try:
        for kind, compression, state in members:
            pairs.append(await open_pair(kind, compression, monitor))
            tasks.append(await _bring_to(pairs[-1], state))
        lines.clear()
        try:
            function([pair.connection for pair in pairs], message, **options)
        except ExceptionGroup as group:
            raised = sorted((repr(one), repr(one.__cause__)) for one in group.exceptions)
        except Exception as exc:  # noqa: BLE001 - both functions must raise the same
            raised = repr(exc)
        seen = []
        for pair, (kind, compression, state) in zip(pairs, members, strict=True):
            receiver = Receiver(pair.connection.protocol.extensions)
            same = not (compression == "takeover" and shares(kind))
            written = list(pair.transport.written)
            read(pair, receiver)
            meter = getattr(pair.connection, "meter", None)
            counted = None
            if meter is not None and state != "transport fails":
                counted = (meter.messages_out, meter.bytes_out, meter.binary_out)
                if same:
                    counted += (meter.wire_out,)
            # With context takeover a shared frame is not compressed, so it is a different frame.
            seen.append((written if same else None, receiver.messages, receiver.controls, counted))
    finally:
        logging.getLogger("websockets.server").removeHandler(handler)
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        assert monitor.probe_failures == 0
        monitor.close()
    return raised, seen, sorted(lines), monitor


@settings(max_examples=150)
@given(
    members=st.lists(
        st.tuples(st.sampled_from(KINDS), st.sampled_from(COMPRESSIONS), st.sampled_from(_STATES)),
        max_size=4,
    ),
    message=_messages,
    text=st.sampled_from([None, None, True, False] if HAS_TEXT else [None]),
    raise_exceptions=st.booleans(),
)
def test_broadcast_writes_raises_logs_and_counts_the_same_as_websockets_broadcast(
    members: list[tuple[str, str, str]], message: Any, text: Any, raise_exceptions: Any
) -> None:
    """``rtmon.broadcast()`` writes, raises, logs and counts the same as
    ``websockets.broadcast()`` for any mix of connections, messages and failures.
    """
    options = {"raise_exceptions": raise_exceptions}
    if text is not None:
        options["text"] = text
    *expected, _ = asyncio.run(_outcome(broadcast, members, message, options))
    *found, _ = asyncio.run(_outcome(rtmon.broadcast, members, message, options))
    assert found == expected


async def test_broadcast_frames_a_message_once_per_compression_setting() -> None:
    """``rtmon.broadcast()`` writes the same bytes object to all connections with the same
    compression settings.
    """
    monitor = Monitor(interval=3600)
    pairs = [
        await open_pair(kind, compression, monitor)
        for kind in ("plain", "fast", "guarded")
        for compression in COMPRESSIONS
        for _ in range(2)
    ]
    rtmon.broadcast([pair.connection for pair in pairs], "x" * 1000)
    frames = {id(pair.transport.written[0]) for pair in pairs}
    assert all(len(pair.transport.written) == 1 for pair in pairs)
    if shares("plain"):
        # The three frames are uncompressed, compressed, and compressed with a small window.
        assert len(frames) == 3
    monitor.close()


async def test_broadcast_reaches_all_when_a_connection_is_removed_from_the_set() -> None:
    """``rtmon.broadcast()`` reaches all connections although a connection is removed from the
    given set during the broadcast.
    """
    monitor = Monitor(interval=3600)
    pairs = [await open_pair("plain", "none", monitor) for _ in range(3)]
    here = {pair.connection for pair in pairs}

    class Fleeting(ServerConnection):
        def pause_writing(self) -> None:
            super().pause_writing()
            here.discard(self)

    from rtmon.probes.websockets.in_memory_connection import MemoryConnection

    fleeting = MemoryConnection(Fleeting)
    await fleeting.open()
    fleeting.transport.limit = 0
    here.add(fleeting.connection)
    rtmon.broadcast(here, "hello")
    assert fleeting.connection not in here
    for pair in (*pairs, fleeting):
        receiver = Receiver()
        read(pair, receiver)
        assert receiver.messages == ["hello"]
    monitor.close()


async def test_broadcast_raises_type_error_for_a_value_that_is_no_message() -> None:
    """``rtmon.broadcast()`` raises TypeError for a value that is neither text nor bytes."""
    for nonsense in (3, None, ["parts"], {"a": 1}):
        with pytest.raises(TypeError):
            rtmon.broadcast([], nonsense)  # type: ignore[arg-type]
