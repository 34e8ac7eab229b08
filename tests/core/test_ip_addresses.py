"""Loopback addresses."""

from __future__ import annotations

import pytest

from rtmon.core.ip_addresses import is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LocalHost", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        (None, False),
        ("", False),
        ("0.0.0.0", False),  # noqa: S104 - compared, not bound
        ("::", False),
        ("192.168.1.5", False),
        ("::ffff:192.168.1.5", False),
        ("fe80::1", False),
        ("notlocalhost", False),
        ("localhost.example.org", False),
        ("127.evil.example", False),
    ],
)
def test_loopback_check_accepts_only_names_and_addresses_of_this_machine(
    host: str | None,
    loopback: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A host is loopback if it is localhost, a subdomain of it, or a loopback address."""
    assert is_loopback(host) is loopback
