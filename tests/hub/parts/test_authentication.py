"""Authentication of clients, tested without a hub."""

from __future__ import annotations

import asyncio
import logging

import pytest

from rtmon.errors import ProtocolError
from rtmon.hub.admission.authentication import Authentication, Credentials, User
from rtmon.testing import FakeClock
from tests.hub.parts.building import make_context

ADA = Credentials(token="ada")  # noqa: S106 - not a real token


async def test_authentication_accepts_plain_and_coroutine_functions() -> None:
    """Authentication accepts a plain function and a coroutine function that return the user."""

    async def later(shown: Credentials) -> User:
        return User(id=shown.token or "")

    for auth in (lambda shown: User(id=shown.token or ""), later):
        authentication = Authentication(make_context(), auth)
        assert authentication.required
        assert (await authentication.identify(ADA)).id == "ada"


async def test_authentication_refuses_with_a_code_for_each_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Authentication refuses with a different code for each reason, and an exception's message
    reaches neither client nor log.
    """
    clock = FakeClock()

    def fails(shown: Credentials) -> User:
        raise RuntimeError(f"secret {shown.token}")

    async def hangs(_: Credentials) -> User:
        await asyncio.Event().wait()
        raise AssertionError

    context = make_context(clock, auth_timeout=0.01)
    for auth, shown, code in (
        (lambda _: None, ADA, "invalid_token"),
        (lambda _: None, Credentials(), "unauthorized"),
        (lambda _: User(id="ada", expires=clock.time() - 1), ADA, "token_expired"),
        (fails, ADA, "internal"),
        (hangs, ADA, "internal"),
        (lambda _: User(id="ada"), Credentials(token="x" * 100_000), "invalid_token"),
    ):
        with pytest.raises(ProtocolError) as refused:
            await Authentication(context, auth).identify(shown)
        assert refused.value.code == code
        assert "ada" not in refused.value.message
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "secret" not in caplog.text


async def test_authentication_refreshes_only_the_same_user() -> None:
    """Authentication refreshes a user's permissions, keeps the user's name, and refuses a token of
    another user.
    """
    context = make_context()
    authentication = Authentication(
        context, lambda shown: User(id=shown.token or "", name="new", permissions=frozenset("r"))
    )
    fresh = await authentication.refresh(User(id="ada", name="Ada"), ADA)
    assert (fresh.id, fresh.name, fresh.permissions) == ("ada", "Ada", {"r"})
    with pytest.raises(ProtocolError) as refused:
        await authentication.refresh(User(id="bo"), ADA)
    assert refused.value.code == "forbidden"
