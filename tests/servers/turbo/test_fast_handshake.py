"""The fast path for handshakes, compared with the library's own path in ``websockets``."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from rtmon.probes.websockets.in_memory_connection import frame_bytes
from rtmon.servers.turbo import fast_handshake
from tests.servers.turbo.handshakes import ORDINARY, all_the_same, only_tested, request_of

_NAMES = [*ORDINARY, "Origin", "User-Agent", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]
_values = st.one_of(
    st.sampled_from(
        [
            *ORDINARY.values(),
            *(
                "keep-alive, Upgrade",
                "upgrade",
                "close",
                "keep-alive",
                "WebSocket",
                "h2c, websocket",
            ),
            *("permessage-deflate", "permessage-deflate; client_max_window_bits", "x; y=", ";"),
            *("chat", "chat, superchat", "other", ",", "http://example.org", "null"),
            *("dGhlIHNhbXBsZSBub25jZR==", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZQ", "8", "0", "1"),
            *("", " ", "\t13 ", "13 ", "caf\xe9", "a\rb", "a\nb", "a\0b", "x" * 8200),
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=6),
)
_header = st.one_of(
    st.tuples(st.sampled_from(_NAMES), _values),
    st.tuples(
        st.sampled_from(["content-length", "Transfer-Encoding", "X-é", "", "A B", "x"]), _values
    ),
    st.tuples(st.sampled_from(_NAMES).map(str.upper), _values),
)


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    headers = list(ORDINARY.items())
    for change in draw(st.lists(st.sampled_from(["add", "drop", "set", "swap"]), max_size=4)):
        index = draw(st.integers(0, max(0, len(headers) - 1)))
        if change == "add" or not headers:
            headers.insert(index, draw(_header))
        elif change == "drop":
            del headers[index]
        elif change == "set":
            headers[index] = (headers[index][0], draw(_values))
        else:
            headers.append(headers.pop(index))
    line = draw(
        st.sampled_from(
            ["GET / HTTP/1.1"] * 8
            + ["POST / HTTP/1.1", "GET / HTTP/1.0", "GET  HTTP/1.1", "GET /", "GET / HTTP/2", ""]
            + ["GET /a b HTTP/1.1", "GET /é HTTP/1.1", "GET /\r HTTP/1.1", "G\nT / HTTP/1.1"]
        )
    )
    colon = draw(st.sampled_from([": "] * 5 + [":", ":  \t", " :"]))
    data = request_of(headers, line, colon)
    data = draw(st.sampled_from([data] * 9 + [data.replace(b"\r\n", b"\n"), data[:-2], data * 2]))
    return data + draw(
        st.sampled_from([b""] * 9 + [b"\x81\x80\0\0\0\0", b"\x81", b"body", b"\r\n"])
    )


_CALLBACKS = [
    "nothing",
    "answers",
    "raises",
    "accepts",
    "wrong",
    "nothing, later",
    "answers, later",
]
_how = st.fixed_dictionaries(
    {},
    optional={
        "origins": st.sampled_from([[None, "http://example.org"], ["http://example.org"], []]),
        "deflate": st.just(True),
        "subprotocols": st.sampled_from([["chat"], ["superchat", "chat"], []]),
        "select": st.sampled_from(["picks", "nothing", "raises", "refuses", "wrong"]),
        "process_request": st.sampled_from([*_CALLBACKS, "raises, later", "never"]),
        "process_response": st.sampled_from(_CALLBACKS),
        "server_header": st.sampled_from([None, "mine"]),
        "closing": st.just(True),
    },
)


@only_tested
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(
    request=_requests(),
    cuts=st.lists(st.integers(0, 400), max_size=3),
    how=_how,
    late=st.booleans(),
)
def test_handshake_fast_path_acts_the_same_as_websockets_for_random_requests(
    *, request: bytes, cuts: list[int], how: dict[str, Any], late: bool
) -> None:
    """Handshake on the fast path acts the same as in ``websockets`` itself for random, malformed
    and fragmented requests with any options.
    """
    points = sorted({0, *(min(cut, len(request)) for cut in cuts), len(request)})
    chunks = [request[a:b] for a, b in itertools.pairwise(points)]
    opened = asyncio.run(all_the_same(chunks, late=late, **how))
    event(f"opened: {opened}, whole: {len(chunks) == 1}")


@only_tested
@pytest.mark.parametrize("how", [{}, {"process_request": "nothing"}, {"subprotocols": ["chat"]}])
@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade"])
async def test_browser_handshake_uses_the_fast_path_only_in_one_piece(
    connection: str, how: dict[str, Any]
) -> None:
    """Browser's handshake uses the fast path only when it arrives in one piece, and has the
    same result as in ``websockets`` in one piece or several.
    """
    offer = {"Sec-WebSocket-Protocol": "chat", "Cookie": "a=b; c=d", "User-Agent": "Mozilla/5.0"}
    request = request_of((ORDINARY | {"Connection": connection} | offer).items())
    assert fast_handshake.parse(request) is not None
    assert await all_the_same([request], **how)
    for cut in range(1, len(request)):
        assert fast_handshake.parse(request[:cut]) is None
    assert await all_the_same([request[:1], request[1:]], **how)
    # Between two lines the library's buffer is empty although a request has begun.
    line = request.index(b"\r\n") + 2
    assert await all_the_same([request[:line], request[line:]], **how)
    assert not await all_the_same([request[:line], request], **how)


_ODD: dict[str, bytes] = {
    "a body in chunks": request_of((ORDINARY | {"Transfer-Encoding": "chunked"}).items()),
    "a body": request_of((ORDINARY | {"Content-Length": "3"}).items()),
    "an empty body": request_of((ORDINARY | {"Content-Length": "0"}).items()),
    "spaces around values": request_of(
        [(name, f" \t{value} \t") for name, value in ORDINARY.items()]
    ),
    "no space before values": request_of(ORDINARY.items(), colon=":"),
    "a header twice": request_of([*ORDINARY.items(), ("Connection", "close")]),
    "a key twice": request_of([*ORDINARY.items(), ("sec-websocket-key", "x")]),
    "a short key": request_of((ORDINARY | {"Sec-WebSocket-Key": "c2hvcnQ="}).items()),
    "a key that is not base64": request_of((ORDINARY | {"Sec-WebSocket-Key": "?" * 24}).items()),
    "no host": request_of(list(ORDINARY.items())[1:]),
    "another version": request_of((ORDINARY | {"Sec-WebSocket-Version": "8"}).items()),
    "another upgrade": request_of((ORDINARY | {"Upgrade": "h2c"}).items()),
    "no upgrade": request_of([("Host", "example.org")]),
    "another method": request_of(ORDINARY.items(), "POST / HTTP/1.1"),
    "an older protocol": request_of(ORDINARY.items(), "GET / HTTP/1.0"),
    "a path that is not ASCII": request_of(ORDINARY.items(), "GET /\xe9 HTTP/1.1"),
    "a line that ends early": request_of(ORDINARY.items(), "GET /\n HTTP/1.1"),
    "a value that ends early": request_of([*ORDINARY.items(), ("X", "a\nb")]),
    "a folded value": request_of([*ORDINARY.items(), ("X", "a\r\n b")]),
    "a name with a space": request_of([*ORDINARY.items(), ("X Y", "z")]),
    "too long a line": request_of([*ORDINARY.items(), ("X", "y" * 8200)]),
    "as many headers as may be": request_of([*ORDINARY.items(), *[("X", "y")] * 123]),
    "a header too many": request_of([*ORDINARY.items(), *[("X", "y")] * 124]),
    "two requests": request_of(ORDINARY.items()) * 2,
    "a message with it": request_of(ORDINARY.items()) + frame_bytes(Opcode.TEXT, b"zero"),
    "nothing but ends": b"\r\n\r\n",
}


@only_tested
@pytest.mark.parametrize("odd", _ODD)
async def test_handshake_fast_path_acts_the_same_as_websockets_in_corner_cases(odd: str) -> None:
    """Fast path for handshakes acts the same as ``websockets`` for unusual requests, such as a
    request with a body, a repeated header or a short key.
    """
    for how in ({}, {"closing": True}, {"process_request": "nothing", "server_header": None}):
        await all_the_same([_ODD[odd]], **how)
    await all_the_same([_ODD[odd]], late=True, origins=["http://example.org"])


@only_tested
@pytest.mark.parametrize("select", ["picks", "nothing", "raises", "refuses", "wrong"])
async def test_select_subprotocol_has_the_same_calls_and_effect_as_in_websockets(
    select: str,
) -> None:
    """Callback ``select_subprotocol`` is called as often as by ``websockets`` itself, and its
    result or exception has the same effect.
    """
    request = request_of((ORDINARY | {"Sec-WebSocket-Protocol": "chat, other"}).items())
    await all_the_same([request], select=select)
    await all_the_same([request], select=select, deflate=True, process_request="raises")
