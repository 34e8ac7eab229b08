"""Causes of closed connections, the black box of last frames, and slow connections."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.metrics.close_causes import cause
from rtmon.metrics.meter import Ledger, Meter
from rtmon.metrics.recent_frames import FRAMES, PAYLOAD_BYTES, BlackBox
from rtmon.metrics.send_backlog import Backlogs

NOTHING: dict[str, Any] = {
    "code_sent": None,
    "reason_sent": None,
    "code_received": None,
    "initiator": None,
    "failed": False,
    "cancelled": False,
    "shutdown": False,
    "slow": False,
    "gone": False,
    "exception": None,
}
LOCAL = {"initiator": "local"}
PING = {**LOCAL, "code_sent": 1011, "reason_sent": "keepalive ping timeout"}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"initiator": "remote", "code_received": 1001}, "closed"),
        ({"initiator": "remote", "code_received": 1002}, "protocol error"),
        ({**LOCAL, "code_sent": 1000, "code_received": 1000}, "closed"),
        ({**LOCAL, "code_sent": 1001, "shutdown": True}, "server shutdown"),
        ({**LOCAL, "code_sent": 1011, "failed": True}, "handler failed"),
        ({**LOCAL, "code_sent": 1011, "failed": True, "shutdown": True}, "handler failed"),
        ({**LOCAL, "code_sent": 1011, "cancelled": True}, "handler cancelled"),
        ({**LOCAL, "code_sent": 1001, "cancelled": True, "shutdown": True}, "server shutdown"),
        ({**LOCAL, "code_sent": 1009}, "protocol error"),
        ({**LOCAL, "code_sent": 1013, "slow": True}, "slow consumer"),
        ({**LOCAL, "code_sent": 1000, "code_received": 1000, "slow": True}, "closed"),
        (PING, "ping timeout"),
        ({**PING, "slow": True}, "slow consumer"),
        ({"exception": ConnectionResetError()}, "reset"),
        ({"exception": BrokenPipeError()}, "reset"),
        ({"exception": TimeoutError()}, "peer vanished"),
        ({"gone": True}, "peer vanished"),
        ({**LOCAL, "code_sent": 1000}, "peer vanished"),
        ({**LOCAL, "code_sent": 1000, "gone": True}, "closed"),
        ({}, "aborted"),
        ({"slow": True}, "slow consumer"),
        ({"slow": True, "gone": True}, "peer vanished"),
        ({"slow": True, "gone": True, "exception": ConnectionResetError()}, "reset"),
        ({"shutdown": True}, "server shutdown"),
    ],
)
def test_cause_of_a_closed_connection_follows_from_codes_and_exceptions(
    facts: dict[str, Any], expected: str
) -> None:
    """Cause of a closed connection is derived from its close codes, from the exception that ended
    it, and from which side closed first.
    """
    assert cause(**{**NOTHING, **facts}) == expected


def test_black_box_lists_the_last_frames_of_a_connection_in_order() -> None:
    """Black box, the record of a connection's last frames, lists the frames in order, each with its
    seconds before or after the close.
    """
    box = BlackBox()
    for number in range(FRAMES + 3):
        box.record(10.0 + number, number, 1, sent=bool(number % 2))
    frames = box.told(64.5).split("; ")
    assert len(frames) == FRAMES
    assert frames[0] == "-51.500 out text 3"
    assert frames[-1] == "-20.500 in text 34"


def test_black_box_without_frames_is_an_empty_text() -> None:
    """Black box, the record of a connection's last frames, gives an empty text when there were no
    frames.
    """
    assert BlackBox().told(1.0) == ""


def test_black_box_redacts_a_payload_before_it_is_shortened() -> None:
    """Black box, the record of a connection's last frames, redacts a payload before it shortens the
    payload, and raises TypeError when the redaction hook returns no bytes.
    """
    box = BlackBox()
    box.record(1.0, 3, 2, sent=False)
    box.record(2.0, 1000, 1, sent=True)
    box.keep_payload(b"secret" * 100, lambda payload: payload.replace(b"secret", b"*"))
    first, second = box.told(2.0).split("; ")
    assert first == "-1.000 in binary 3"
    assert second == "0.000 out text 1000 b'" + "*" * PAYLOAD_BYTES + "'", "no secret is cut in two"
    box.record(3.0, 100, 1, sent=True)
    with pytest.raises(TypeError):
        box.keep_payload(b"secret", lambda _: "no bytes")  # type: ignore[arg-type, return-value]
    box.record(4.0, 100, 1, sent=False)
    box.keep_payload(b"y" * 100, None)
    assert box.told(4.0).split("; ")[2:] == [
        "-1.000 out text 100",
        "0.000 in text 100 b'" + "y" * PAYLOAD_BYTES + "'",
    ]


def _meter(queue: list[int]) -> Meter:
    meter = Meter(Ledger(), "c1")
    meter.queue = lambda: queue[0]
    return meter


def test_connection_is_slow_when_its_oldest_byte_waits_more_than_a_second() -> None:
    """Connection is slow when a byte waits in its send queue for more than a second, and is not
    slow when bytes wait at every tick but none of them for so long.
    """
    backlogs, queue = Backlogs(), [0]
    meter = _meter(queue)
    meter.wire_out = 1000
    assert backlogs.look([meter], 0.0) == ([], [])
    queue[0] = 600
    assert backlogs.look([meter], 1.0) == ([], [])
    assert (meter.send_queue, meter.queue_age) == (600, 0.0)
    meter.wire_out, queue[0] = 1500, 400
    assert backlogs.look([], 2.0) == ([], [])
    assert meter.queue_age == 0.0, "everything that waited a second ago has left"
    assert backlogs.look([], 3.5) == ([meter], [])
    assert (backlogs.slow, backlogs.waiting(), meter.queue_age) == (1, 400, 1.5)
    assert backlogs.look([], 4.5) == ([], []), "it is said once"
    queue[0] = 0
    assert backlogs.look([], 5.5) == ([], [meter])
    assert (backlogs.slow, backlogs.waiting(), meter.queue_age) == (0, 0, None)


def test_detector_drops_a_slow_connection_when_it_has_closed() -> None:
    """Detector of slow connections no longer counts a slow connection and its waiting bytes once
    the connection has closed.
    """
    backlogs, queue = Backlogs(), [10]
    meter = _meter(queue)
    meter.wire_out = 10
    backlogs.look([meter], 0.0)
    backlogs.look([], 5.0)
    backlogs.forget(meter)
    assert (backlogs.slow, backlogs.waiting(), backlogs.is_slow(meter)) == (0, 0, False)
