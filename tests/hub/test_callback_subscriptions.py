"""Publishing and subscribing by the application that runs the hub: ``publish()``,
``subscribe()``.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtmon.errors import OptionError
from rtmon.testing import until

Place = Any


async def test_failing_subscribe_callback_disturbs_no_client_and_no_other_callback(
    place: Place,
) -> None:
    """Hub delivers to clients and to all other subscribe callbacks when one callback raises."""
    heard: list[Any] = []
    later: list[Any] = []

    def broken(publication: Any) -> None:
        raise RuntimeError("broken")

    async def slow(publication: Any) -> None:
        await asyncio.sleep(0)
        later.append(publication.data)
        if publication.data == 1:
            raise RuntimeError("broken, too")

    place.hub.subscribe("news", broken)
    listener = place.hub.subscribe("news", lambda publication: heard.append(publication.data))
    place.hub.subscribe("**", slow)
    ada = await place.connect("ada")
    await ada.ask("subscribe", {"channel": "news"})
    for number in range(3):
        receipt = await place.hub.publish("news", number)
    assert receipt.offset == 3
    assert await ada.published(3) == [0, 1, 2]
    assert heard == [0, 1, 2]
    await until(lambda: later == [0, 1, 2])
    listener.cancel()
    await place.hub.publish("news", 3)
    assert heard == [0, 1, 2]


async def test_hub_awaits_what_a_subscribe_callback_returns_until_it_is_canceled(
    place: Place,
) -> None:
    """Hub awaits the coroutine that a lambda or callable object returns, and drops pending calls
    when the subscription is canceled.
    """
    heard: list[Any] = []

    async def take(data: Any) -> None:
        heard.append(data)

    class Taker:
        async def __call__(self, publication: Any) -> None:
            await take(publication.data)

    listeners = [
        place.hub.subscribe("c", callback) for callback in (lambda p: take(p.data), Taker())
    ]
    for number in range(2):
        await place.hub.publish("c", number)
    await until(lambda: sorted(heard) == [0, 0, 1, 1])
    await place.hub.publish("c", 2)
    for listener in listeners:
        listener.cancel()
    await asyncio.sleep(0)
    assert 2 not in heard


async def test_publish_raises_option_error_for_invalid_channel_data_or_key(place: Place) -> None:
    """Hub's ``publish()`` raises OptionError for an invalid channel name, data that no codec can
    encode, or a key that is not text.
    """
    for channel, data in (("a.*", 1), ("a\nb", 1), ("a", float("nan")), ("a", {1: 2}), ("a", {3})):
        with pytest.raises(OptionError):
            await place.hub.publish(channel, data)
    for key in (["x"], 1, {}):
        with pytest.raises(OptionError):
            await place.hub.publish("a", 1, slow="keep_latest", key=key)  # type: ignore[arg-type]
