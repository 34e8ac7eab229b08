"""Detection of loopback addresses."""

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
def test_is_loopback_accepts_only_localhost_its_subdomains_and_loopback_addresses(
    host: str | None,
    loopback: bool,  # noqa: FBT001 - a test parameter
) -> None:
    """``is_loopback()`` is true only for localhost, its subdomains and loopback addresses."""
    assert is_loopback(host) is loopback
