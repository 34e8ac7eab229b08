"""Addresses of admin listeners, as users write them."""

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
def test_admin_address_is_the_same_in_every_spelling(written: str, url: str) -> None:
    """Admin address is the same with an HTTP scheme, without a scheme, or with a final
    ``/feed``.
    """
    assert AdminAddress.parse(written) == AdminAddress(url)


@pytest.mark.parametrize("written", ["", "ftp://host", "ws://", "ws://host:port", "run.csv://"])
def test_malformed_admin_address_is_refused(written: str) -> None:
    """Malformed admin address raises OptionError when it is parsed."""
    with pytest.raises(OptionError, match="is not the address of an admin listener"):
        AdminAddress.parse(written)


def test_admin_address_decodes_its_token_and_hides_it_in_its_repr() -> None:
    """Admin address decodes the token in its query, and its repr does not contain the token."""
    address = AdminAddress.parse("wss://host/admin?token=a%2Bb")
    assert (address.url, address.token) == ("wss://host/admin", "a+b")
    assert "a+b" not in repr(address)


@pytest.mark.parametrize(
    "written",
    ["ws://host?tokn=secret", "ws://host?token=a&since=3", "ws://host#top", "ws://me:secret@host"],
)
def test_admin_address_with_unsupported_parts_is_refused(written: str) -> None:
    """Admin address with an unknown parameter, a fragment or a password raises OptionError that
    does not contain the secret.
    """
    with pytest.raises(OptionError, match="has parts that") as told:
        AdminAddress.parse(written)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("written", ["ws://host?token=", "ws://host?token=%C3%A9"])
def test_admin_address_with_an_empty_or_non_ascii_token_is_refused(written: str) -> None:
    """Admin address with an empty token, or a token with non-ASCII characters, raises
    OptionError.
    """
    with pytest.raises(OptionError, match="the token in the address is empty or"):
        AdminAddress.parse(written)
