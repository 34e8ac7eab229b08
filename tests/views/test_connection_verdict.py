"""The verdict on a connection: which side closed it and why, or the problems of an open one."""

from __future__ import annotations

from dataclasses import replace

from rtmon.metrics.close_causes import CAUSES
from rtmon.metrics.records import ConnectionInfo
from rtmon.views.close_code_explanations import CAUSE_WORDS, code_text, code_words
from rtmon.views.connection_verdict import verdict

OPEN = ConnectionInfo(id="c1", opened=100.0)
CLOSED = replace(OPEN, state="closed", closed=160.0, close_code=1006, cause="peer vanished")


def test_every_close_cause_has_an_explanation() -> None:
    """Every close cause that rtmon distinguishes has a sentence that explains it, and no other
    cause has one.
    """
    assert set(CAUSE_WORDS) == set(CAUSES)


def test_verdict_names_waiting_bytes_drops_silence_and_slow_pings() -> None:
    """Verdict on an open connection is good, or names the connection's waiting bytes, dropped
    messages, silence and slow pings with numbers.
    """
    well = verdict(OPEN, now=165.0, hub=False)
    assert (well.mood, well.title) == ("good", "Open for 1 min 05 s")
    slow = replace(OPEN, send_queue=1_900_000, queue_age=14.2, dropped=3, last_activity=100.0)
    told = verdict(slow, now=165.0, hub=False)
    text = " ".join(told.sentences)
    assert told.mood == "warn"
    assert "1.90 MB wait for its client, the oldest for 14.2 s" in text
    assert "3 messages to it were dropped" in text
    assert "No byte went either way for 1 min 05 s" in text
    far = verdict(replace(OPEN, rtt=0.001, rtt_p99=0.9), now=165.0, hub=False)
    assert far.sentences == ["Its pings took up to 900 ms (p99), the last one 1.00 ms."]


def test_verdict_is_good_when_the_send_queue_is_unknown() -> None:
    """Verdict on an open connection is good when its send queue and round trips are unknown."""
    unknown = replace(OPEN, send_queue=None, queue_age=None, rtt=None)
    assert verdict(unknown, now=101.0, hub=False).mood == "good"


def test_verdict_names_the_first_close_frame_and_a_missing_answer() -> None:
    """Verdict on a closed connection says which side closed, names the first close frame with its
    reason, and says if the other side sent no close frame in answer.
    """
    cut = replace(
        CLOSED,
        initiator="local",
        code_sent=1013,
        reason_sent="you read too slowly",
        cause="slow consumer",
    )
    told = verdict(cut, now=200.0, hub=True)
    assert (told.mood, told.title) == ("bad", "Closed by the server: slow consumer")
    assert told.sentences[0] == (
        "The server sent the first close frame, 1013 try again later “you read too slowly”, "
        "and got no answer."
    )
    assert told.sentences[1] == CAUSE_WORDS["slow consumer"]
    left = replace(CLOSED, initiator="remote", code_received=1001, close_code=1001, cause="closed")
    assert verdict(left, now=200.0, hub=False).title == "Closed by the client"
    assert verdict(replace(left, role="client"), now=200.0, hub=False).title.endswith("the server")


def test_verdict_says_that_no_close_frame_came_when_the_code_is_1006() -> None:
    """Verdict on a connection with close code 1006 says that the connection ended without a close
    frame.
    """
    told = verdict(CLOSED, now=200.0, hub=False)
    assert told.title == "Ended without a close frame: peer vanished"
    assert "counts as 1006 abnormal" in told.sentences[0]


def test_close_code_4001_is_explained_as_a_hub_code_for_hub_connections_only() -> None:
    """Close code 4001 is explained as "token expired" for a hub's connection, and as the
    application's own code otherwise.
    """
    assert code_text(4001, hub=True) == "4001 token expired"
    assert code_text(4001, hub=False) == "4001 of the application"
    assert "application" in code_words(4001, hub=False)
    assert "token" in code_words(4001, hub=True)
