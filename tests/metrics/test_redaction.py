"""Redaction rules, which replace or drop personal data."""

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
def test_redaction_rule_changes_only_its_own_columns(
    subject: str, rule: str, changes: dict[str, str | None]
) -> None:
    """Redaction rule for one subject, such as names or addresses, changes only the columns of this
    subject, in connections and in events.
    """
    redaction = Redaction.parse(f"{subject}={rule}")
    for record, redacted in (
        (INFO, redaction.connection(INFO)),
        (EVENT, redaction.event(EVENT)),
    ):
        wanted = {name: value for name, value in changes.items() if hasattr(record, name)}
        assert _changed(record, redacted) == wanted


def test_redaction_without_rules_changes_nothing() -> None:
    """Redaction without rules returns connections and events unchanged."""
    assert Redaction().connection(INFO) is INFO
    assert Redaction().event(EVENT) is EVENT


def test_redaction_hashes_equal_names_equally_under_one_key() -> None:
    """Redaction gives equal names the same 12-digit hash under one key, and another hash under
    another key.
    """
    one, two = Redaction(names="hash", key=b"one"), Redaction(names="hash", key=b"two")
    name = one.connection(INFO).name
    assert name is not None
    assert name != "ada"
    assert len(name) == 12
    assert int(name, 16) >= 0
    assert one.event(EVENT).name == name == Redaction(names="hash", key=b"one").event(EVENT).name
    assert two.event(EVENT).name != name
    assert Redaction(names="hash").event(EVENT).name != name


def test_redaction_hashes_an_address_without_its_port() -> None:
    """Redaction gives connections from one IP address the same hash, whatever their ports."""
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
def test_redaction_shortens_an_address_to_its_network(
    remote: str | None, network: str | None
) -> None:
    """Redaction rule "network" keeps the network of an IPv4 or IPv6 address without host and port,
    and drops other text.
    """
    event = Event(seq=1, time=1.0, kind="opened", remote=remote)
    assert Redaction(addresses="network").event(event).remote == network


def test_redaction_hashes_a_name_that_is_not_valid_unicode() -> None:
    """Redaction hashes a name with a lone surrogate instead of raising an exception."""
    event = Event(seq=1, time=1.0, kind="opened", name="\ud83d")
    assert Redaction(names="hash").event(event).name is not None


def test_redaction_always_hides_secret_headers() -> None:
    """Redaction shows "…" for the Authorization header always, and for further headers when they
    are named.
    """
    headers = [("Authorization", "Bearer x"), ("X-Team", "red"), ("Host", "example.org")]
    assert Redaction().request_headers(headers) == [("Authorization", "…"), *headers[1:]]
    assert Redaction(headers=["x-team"]).request_headers(headers)[1] == ("X-Team", "…")


def test_redaction_parsed_from_text_equals_one_from_options() -> None:
    """Redaction parsed from command-line text, with spaces around its parts, equals a Redaction
    object created with the same rules.
    """
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
        ("names=hash,names=drop", "'names' is given twice"),
    ],
)
def test_redaction_raises_and_lists_the_rules_when_a_rule_is_unknown(text: str, words: str) -> None:
    """Redaction raises OptionError that lists the valid rules when its text is empty, unknown or
    repeated.
    """
    with pytest.raises(OptionError, match=words):
        Redaction.parse(text)


def test_redaction_raises_when_its_key_is_longer_than_64_bytes() -> None:
    """Redaction raises OptionError when its key is longer than 64 bytes, since a shortened key
    could equal another one.
    """
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
def test_redaction_of_addresses_applies_to_the_addresses_table(
    address: str, rule: Any, shown: str | None
) -> None:
    """Redaction of addresses shortens the address in a row of the addresses table, or drops the row
    when the rule is "drop".
    """
    row = Redaction(addresses=rule).address(AddressInfo(address=address, open=2))
    assert row == (None if shown is None else AddressInfo(address=shown, open=2))


def test_redaction_gives_address_rows_and_connections_the_same_hash() -> None:
    """Redaction gives a row of the addresses table the same hash as the connections from that
    address.
    """
    redaction = Redaction(addresses="hash", key=b"k")
    row = redaction.address(AddressInfo(address="203.0.113.77"))
    assert row is not None
    assert row.address == redaction.connection(INFO).remote
