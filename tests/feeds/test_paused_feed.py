"""A paused feed: what a page reads while its viewer has paused it."""

from __future__ import annotations

from rtmon.feeds import ConnectionQuery
from rtmon.feeds.paused_feed import PausedFeed
from rtmon.feeds.queries import DetailQuery, GroupQuery, RowsQuery, SeriesQuery
from tests.feeds.rigs import Rig, ready


async def test_paused_feed_keeps_its_values_while_its_source_changes(rig: Rig) -> None:
    """Paused Monitor feed keeps all values and query answers as of the pause while its source
    feed goes on.
    """
    await ready(rig)
    rig.connection("ada", messages_in=1)
    rig.clock.advance(1)
    await rig.tick()
    still = PausedFeed(rig.feed)
    await still.start()
    before = (
        still.now(),
        still.latest(),
        still.snapshot(),
        still.samples(),
        still.events(),
        still.connections(ConnectionQuery(state=None)),
        still.channels(),
    )
    queries = (SeriesQuery(level=1), RowsQuery(), RowsQuery(table="events"), GroupQuery(by="path"))
    answers = [await rig.feed.answer(query) for query in queries]
    rig.connection("bob", messages_in=5)
    for _ in range(3):
        rig.clock.advance(1)
        await rig.tick()
    assert before == (
        still.now(),
        still.latest(),
        still.snapshot(),
        still.samples(),
        still.events(),
        still.connections(ConnectionQuery(state=None)),
        still.channels(),
    )
    series, *tables = [await still.answer(query) for query in queries]
    wanted, *others = answers
    assert series.times == wanted.times
    assert series.columns == wanted.columns
    assert tables == others
    assert rig.feed.connections().total == 2
    await still.aclose()
    assert rig.feed.status.state == "live"


async def test_paused_feed_has_status_and_details_of_its_source_but_is_not_live(rig: Rig) -> None:
    """Paused Monitor feed has the status and connection details of its source feed, is marked as
    not live, and calls no listener.
    """
    await ready(rig)
    meter = rig.connection("ada")
    await rig.tick()
    still = PausedFeed(rig.feed)
    assert still.status == rig.feed.status
    assert not still.capabilities.live
    assert still.capabilities.details == rig.feed.capabilities.details
    detail = await still.query(DetailQuery(connection=meter.id))
    assert detail.info is not None
    assert detail.info.name == "ada"
    heard = []
    end = still.listen(heard.append)
    await rig.tick()
    end()
    assert heard == []
