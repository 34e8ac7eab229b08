"""Rules that replace or leave out personal data."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from rtmon import Redaction
from rtmon.errors import OptionError
from rtmon.metrics.records import AddressInfo, ConnectionInfo, Event

INFO = ConnectionInfo(
    id="c1",
    name="ada",
    user="ada@example.org",
    user_agent="Firefox",
    remote="203.0.113.77:5000",
    path="/chat",
    opened=1.0,
    messages_in=3,
    reason_sent="bye ada",
    reason_received="ada is off",
    traceback="Traceback …",
    last_frames="> text 5",
)
EVENT = Event(
    seq=1, time=1.0, kind="closed", name="ada", remote="203.0.113.77:5000", detail="ada left"
)

RULES: list[tuple[str, str, dict[str, str | None]]] = [
    ("addresses", "network", {"remote": "203.0.113.0"}),
    ("addresses", "drop", {"remote": None}),
    ("names", "drop", {"name": None, "user": None}),
    ("agents", "drop", {"user_agent": None}),
    ("reasons", "drop", {"reason_sent": None, "reason_received": None, "detail": None}),
    ("frames", "drop", {"traceback": None, "last_frames": None}),
]


def _changed(before: Any, after: Any) -> dict[str, Any]:
    names = [field.name for field in fields(before)]
    return {
        name: getattr(after, name)
        for name in names
        if getattr(after, name) != getattr(before, name)
    }


@pytest.mark.parametrize(("subject", "rule", "changes"), RULES)
def test_rule_changes_its_columns_and_no_others(
    subject: str, rule: str, changes: dict[str, str | None]
) -> None:
    """A rule changes its columns in connections and Events alike; numbers, paths and ids stay."""
    redaction = Redaction.parse(f"{subject}={rule}")
    for record, redacted in (
        (INFO, redaction.connection(INFO)),
        (EVENT, redaction.event(EVENT)),
    ):
        wanted = {name: value for name, value in changes.items() if hasattr(record, name)}
        assert _changed(record, redacted) == wanted


def test_redaction_without_rules_changes_nothing() -> None:
    """A redaction without rules returns its input."""
    assert Redaction().connection(INFO) is INFO
    assert Redaction().event(EVENT) is EVENT


def test_hash_is_stable_and_depends_on_the_key() -> None:
    """Equal texts have equal hashes under one key, and other hashes under another key."""
    one, two = Redaction(names="hash", key=b"one"), Redaction(names="hash", key=b"two")
    name = one.connection(INFO).name
    assert name is not None
    assert name != "ada"
    assert len(name) == 12
    assert int(name, 16) >= 0
    assert one.event(EVENT).name == name == Redaction(names="hash", key=b"one").event(EVENT).name
    assert two.event(EVENT).name != name
    assert Redaction(names="hash").event(EVENT).name != name


def test_hash_of_an_address_ignores_the_port() -> None:
    """All connections from one address have the same hash."""
    redaction = Redaction(addresses="hash", key=b"k")

    def remote(address: str) -> str | None:
        return redaction.event(Event(seq=1, time=1.0, kind="opened", remote=address)).remote

    assert remote("203.0.113.77:5000") == remote("203.0.113.77:5001")
    assert remote("203.0.113.77:5000") != remote("203.0.113.78:5000")
    assert remote("[2001:db8::1]:1") == remote("[2001:db8::1]:2") != remote("[2001:db8::2]:1")


@pytest.mark.parametrize(
    ("remote", "network"),
    [
        ("203.0.113.77:5000", "203.0.113.0"),
        ("[2001:db8:1:2:3:4:5:6]:5000", "2001:db8:1::/48"),
        ("[2001:db8::1]:5000", "2001:db8:0::/48"),
        ("[::1]:5000", "0:0:0::/48"),
        ("[fe80::1%eth0]:5000", "fe80:0:0::/48"),
        ("[::ffff:203.0.113.77]:5000", "203.0.113.0"),
        ("no address", None),
        ("", None),
        (None, None),
    ],
)
def test_network_of_an_address_has_neither_host_nor_port(
    remote: str | None, network: str | None
) -> None:
    """The rule keeps the network of IPv4, IPv6, and IPv4 mapped into IPv6; other texts are
    dropped.
    """
    event = Event(seq=1, time=1.0, kind="opened", remote=remote)
    assert Redaction(addresses="network").event(event).remote == network


def test_text_with_a_lone_surrogate_is_hashed() -> None:
    """Text that is not valid Unicode does not end a recording."""
    event = Event(seq=1, time=1.0, kind="opened", name="\ud83d")
    assert Redaction(names="hash").event(event).name is not None


def test_secret_headers_are_always_redacted() -> None:
    """Secret headers are redacted in any case of letters; options add further ones."""
    headers = [("Authorization", "Bearer x"), ("X-Team", "red"), ("Host", "example.org")]
    assert Redaction().request_headers(headers) == [("Authorization", "…"), *headers[1:]]
    assert Redaction(headers=["x-team"]).request_headers(headers)[1] == ("X-Team", "…")


def test_rules_are_parsed_from_text_with_spaces() -> None:
    """The text of the command line gives the same redaction as the options of the class."""
    parsed = Redaction.parse(" addresses=network , names = hash", key=b"k")
    assert parsed == Redaction(addresses="network", names="hash", key=b"k")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is not one of addresses, names, agents, reasons, frames"),
        ("names", "names='': the rules are keep, hash, drop"),
        ("names=network", "names='network': the rules are keep, hash, drop"),
        ("frames=hash", "frames='hash': the rules are keep, drop"),
        ("headers=drop", "'headers' is not one of"),
        ("names=hash,names=drop", "'names' is said twice"),
    ],
)
def test_unknown_rule_raises_an_error_that_lists_the_rules(text: str, words: str) -> None:
    """The error names the wrong rule and lists the existing ones."""
    with pytest.raises(OptionError, match=words):
        Redaction.parse(text)


def test_key_that_is_too_long_is_refused() -> None:
    """A key past the limit raises an error; cutting it would make two keys equal."""
    with pytest.raises(OptionError, match="the key of hashes has 65 bytes, of at most 64"):
        Redaction(key=b"x" * 65)


@pytest.mark.parametrize(
    ("address", "rule", "shown"),
    [
        ("203.0.113.77", "keep", "203.0.113.77"),
        ("203.0.113.77", "network", "203.0.113.0"),
        ("2001:db8:1:2::/64", "network", "2001:db8:1::/48"),
        ("203.0.113.77", "drop", None),
    ],
)
def test_address_rows_follow_the_address_rule(address: str, rule: Any, shown: str | None) -> None:
    """The rule changes rows of the addresses table, and leaves out rows without an address."""
    row = Redaction(addresses=rule).address(AddressInfo(address=address, open=2))
    assert row == (None if shown is None else AddressInfo(address=shown, open=2))


def test_hash_of_an_address_row_equals_that_of_its_connections() -> None:
    """Rows of the addresses table and rows of connections have equal hashes for equal addresses."""
    redaction = Redaction(addresses="hash", key=b"k")
    row = redaction.address(AddressInfo(address="203.0.113.77"))
    assert row is not None
    assert row.address == redaction.connection(INFO).remote
