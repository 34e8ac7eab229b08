"""Addresses of admin listeners as users write them."""

from __future__ import annotations

import pytest

from rtmon.errors import OptionError
from rtmon.feeds.admin_address import AdminAddress


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("ws://host:8766", "ws://host:8766"),
        ("http://host:8766/", "ws://host:8766"),
        ("https://host", "wss://host"),
        ("host:8766", "ws://host:8766"),
        ("ws://[::1]:8766/feed", "ws://[::1]:8766"),
        ("wss://host/admin", "wss://host/admin"),
        ("https://host/rt/admin/feed", "wss://host/rt/admin"),
    ],
)
def test_address_keeps_host_port_and_path_in_every_spelling(written: str, url: str) -> None:
    """HTTP schemes, a missing scheme and a final ``/feed`` mean the same."""
    assert AdminAddress.parse(written) == AdminAddress(url)


@pytest.mark.parametrize("written", ["", "ftp://host", "ws://", "ws://host:port", "run.csv://"])
def test_address_is_refused_when_it_is_malformed(written: str) -> None:
    """A malformed address raises before any connection is tried."""
    with pytest.raises(OptionError, match="is not the address of an admin listener"):
        AdminAddress.parse(written)


def test_address_gives_its_token_when_the_query_has_one() -> None:
    """The token is decoded, and no repr shows it."""
    address = AdminAddress.parse("wss://host/admin?token=a%2Bb")
    assert (address.url, address.token) == ("wss://host/admin", "a+b")
    assert "a+b" not in repr(address)


@pytest.mark.parametrize(
    "written",
    ["ws://host?tokn=secret", "ws://host?token=a&since=3", "ws://host#top", "ws://me:secret@host"],
)
def test_address_is_refused_when_a_part_would_be_ignored(written: str) -> None:
    """The error message contains neither tokens nor passwords."""
    with pytest.raises(OptionError, match="has parts that") as told:
        AdminAddress.parse(written)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("written", ["ws://host?token=", "ws://host?token=%C3%A9"])
def test_token_in_the_address_is_refused_when_no_header_can_carry_it(written: str) -> None:
    """An empty token, or one with characters other than visible ASCII, raises at once."""
    with pytest.raises(OptionError, match="the token in the address is empty or"):
        AdminAddress.parse(written)
