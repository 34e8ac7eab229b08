"""Query the Samples in a recording: single ticks or merged points, series, and totals."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ..feeds import series_queries
from ..feeds.queries import LEVELS, MOST_ROWS, Extremes, Gap, SeriesAnswer, SeriesQuery, Source
from ..feeds.series_extremes import COUNTERS, extreme_columns, extremes
from ..feeds.series_queries import SeriesPoint
from ..metrics.columns import HISTOGRAMS
from ..metrics.history import merge
from ..metrics.records import Sample, Snapshot
from .database import reading
from .readonly_file import Epoch, RecordingFile, bounds
from .schema import SAMPLE_ROW
from .serialization import histogram_texts, unpack_sample, unpack_snapshot

__all__ = ["SampleQueries"]

_TEXTS = ("seq", *SAMPLE_ROW[4:])
_TextRow = namedtuple(  # type: ignore[misc]  # noqa: PYI024
    "_TextRow", ["node", "epoch", *_TEXTS, *(column.name for column in HISTOGRAMS)]
)
_TEXT_COLUMNS = ", ".join(f's."{name}"' for name in _TEXTS)


class SampleQueries:
    """Reads the Samples of a recording.

    Args:
        file: the opened recording.
    """

    def __init__(self, file: RecordingFile) -> None:
        self._file = file

    def samples(
        self,
        *,
        level: int,
        since: float | None = None,
        until: float | None = None,
        epoch: int | None = None,
        after: int = 0,
        limit: int = MOST_ROWS,
    ) -> list[SeriesPoint]:
        """Return Samples of one resolution with their histograms, oldest first.

        Args:
            level: ticks merged into each Sample: one of :data:`rtmon.feeds.queries.LEVELS`.
            since: start of the range, Unix seconds, included; None for the start of the recording.
            until: end of the range, Unix seconds, included; None for the end of the recording.
            epoch: id of an epoch in the file; None for all epochs.
            after: only Samples with a number above this one; used with ``epoch``.
            limit: maximum number of Samples.
        """
        names = {each.id: (each.node, each.epoch) for each in self._file.epochs()}
        points = []
        for row in self._file.all(
            "SELECT s.*, h.packed FROM samples s JOIN histograms h USING (level, epoch, seq) "
            "WHERE s.level = ? AND s.time BETWEEN ? AND ? AND s.epoch = ifnull(?, s.epoch) "
            "AND s.seq > ? ORDER BY s.epoch, s.seq LIMIT ?",
            *(level, *bounds(since, until), epoch, after, limit),
        ):
            node, name = names[row["epoch"]]
            with reading(self._file.path):
                sample = unpack_sample(node, name, row["seq"], row, row["packed"])
            points.append(SeriesPoint(sample, row["ticks"]))
        return points

    def texts(
        self,
        epoch: Epoch,
        *,
        level: int,
        since: float | None,
        until: float | None,
        after: int,
        limit: int,
    ) -> list[Any]:
        """Return Samples for an export, as records whose histograms and tallies are texts.

        Args:
            epoch: the epoch.
            level: ticks merged into each Sample: one of :data:`rtmon.feeds.queries.LEVELS`.
            since: start of the range, Unix seconds, included; None for the start of the recording.
            until: end of the range, Unix seconds, included; None for the end of the recording.
            after: only Samples with a number above this one.
            limit: maximum number of Samples.
        """
        found = self._file.plain(
            f"SELECT {_TEXT_COLUMNS}, h.packed "  # noqa: S608 - constant column names
            "FROM samples s JOIN histograms h USING (level, epoch, seq) "
            "WHERE s.level = ? AND s.epoch = ? AND s.time BETWEEN ? AND ? AND s.seq > ? "
            "ORDER BY s.seq LIMIT ?",
            *(level, epoch.id, *bounds(since, until), after, limit),
        )
        with reading(self._file.path):
            return [
                _TextRow._make((epoch.node, epoch.epoch, *row[:-1], *histogram_texts(row[-1])))
                for row in found
            ]

    def finest(self, since: float | None) -> int:
        """Return the finest resolution (1, 10 or 60 ticks) with Samples back to a time.

        If no resolution reaches back that far, return the one with the oldest Samples.

        Args:
            since: Unix seconds; None for the start of the recording.
        """
        firsts = {}
        for level in LEVELS:
            first = self._file.one("SELECT min(time) FROM samples WHERE level = ?", level)
            if first is not None:
                firsts[level] = (first, 0)
        return series_queries.choose_level(SeriesQuery(since=since), firsts)

    def snapshot(self, at: float | None = None) -> Snapshot | None:
        """Return the totals of an epoch from its start to a time; None before the first tick.

        If the Samples of single ticks at that time have been deleted, the totals are up to a minute
        older.

        Args:
            at: Unix seconds; None for the end of the recording.
        """
        epoch = self._file.epoch_at(at)
        if epoch is None:
            return None
        stored = self._file.all(
            "SELECT seq, packed FROM totals WHERE epoch = ? AND time <= ? "
            "ORDER BY seq DESC LIMIT 1",
            *(epoch.id, bounds(None, at)[1]),
        )
        if not stored:
            return None
        with reading(self._file.path):
            base = unpack_snapshot(epoch.node, epoch.epoch, *stored[0])
        later = self.samples(level=1, until=at, epoch=epoch.id, after=base.seq)
        return _added(base, [point.sample for point in later])

    def series(self, query: SeriesQuery, source: Source) -> SeriesAnswer:
        """Answer a query for the values of some columns over a time range.

        Args:
            query: the query.
            source: the tick that the answer names as its source.

        Raises:
            QueryError: the query has an error, such as an unknown column.
        """
        columns = series_queries.check(query)
        if query.merge:
            merged = series_queries.answer(source, 0, columns, self._merged(query))
            return replace(merged, gaps=self._stored_gaps(query.since, query.until, query.node))
        within = bounds(query.since, query.until)
        held = {}
        for level in LEVELS:
            first = self._file.one("SELECT min(time) FROM samples WHERE level = ?", level)
            if first is not None:
                count = "SELECT count(*) FROM samples WHERE level = ? AND time BETWEEN ? AND ?"
                held[level] = (first, self._file.one(count, level, *within))
        level = series_queries.choose_level(query, held)
        names = {each.id: (each.node, each.epoch) for each in self._file.epochs()}
        selected = ", ".join(f'"{name}"' for name in columns)
        found = self._file.all(
            f"SELECT epoch, seq, time, elapsed, ticks, {selected} FROM samples "  # noqa: S608
            "WHERE level = ? AND time BETWEEN ? AND ? ORDER BY epoch, seq LIMIT ?",
            *(level, *within, MOST_ROWS),
        )
        if query.node is not None:
            found = [row for row in found if names[row[0]][0] == query.node]
        width = 5 + len(columns)
        table = [list(column) for column in zip(*found, strict=True)] or [[] for _ in range(width)]
        ids, seqs, times, elapsed, ticks, *values = table
        epochs = [names[each][1] for each in ids]
        return SeriesAnswer(
            source=source,
            level=level,
            epochs=epochs,
            seqs=seqs,
            times=times,
            elapsed=elapsed,
            ticks=ticks,
            columns=dict(zip(columns, values, strict=True)),
            gaps=self._gaps_between(query, zip(epochs, seqs, times, elapsed, ticks, strict=True)),
            extremes=self._extremes(query, level, found),
        )

    def _extremes(
        self, query: SeriesQuery, level: int, points: Sequence[Any]
    ) -> Mapping[str, Extremes]:
        """Return the lowest and highest values within each point of an answer.

        They are computed from the Samples of finer resolution that the recording still has.

        Args:
            query: the query for a series.
            level: number of ticks in a point.
            points: SQL rows of the points, which begin with epoch, seq, time and elapsed.

        Returns:
            Column → lowest and highest values; empty if the query does not request them.
        """
        names = extreme_columns(series_queries.check(query))
        if not (query.extremes and level > 1 and points and names):
            return {}
        values = [f'"{name}" / elapsed' if name in COUNTERS else f'"{name}"' for name in names]
        selected = ", ".join(f"min({value}), max({value})" for value in values)
        begin = min(time - elapsed for _, _, time, elapsed, *_ in points)
        found = self._file.plain(
            f"SELECT epoch, (seq - 1) / ? AS bucket, {selected} FROM samples "  # noqa: S608
            "WHERE level < ? AND time > ? AND time <= ? GROUP BY epoch, bucket",
            *(level, level, begin, max(point[2] for point in points)),
        )
        spread = {
            (str(epoch), bucket): list(zip(row[::2], row[1::2], strict=True))
            for epoch, bucket, *row in found
        }
        return extremes(level, names, [(str(point[0]), point[1]) for point in points], spread)

    def _gaps_between(
        self, query: SeriesQuery, points: Iterable[tuple[str, int, float, float, int]]
    ) -> list[Gap]:
        """Return the time ranges without data between points, with recorded reasons if known.

        Args:
            query: the query for a series.
            points: epoch, seq, time, elapsed and ticks of each point, oldest first.
        """
        stored = self._stored_gaps(query.since, query.until, query.node)
        found = [
            gap
            for gap in series_queries.gaps(points)
            if gap.reason == series_queries.RESTARTED
            or not any(each.since < gap.until and gap.since < each.until for each in stored)
        ]
        return sorted([*found, *stored], key=lambda gap: gap.since)

    def _stored_gaps(self, since: float | None, until: float | None, node: str | None) -> list[Gap]:
        begin, end = bounds(since, until)
        found = self._file.all(
            "SELECT g.since, g.until, g.reason FROM gaps g JOIN epochs e ON e.id = g.epoch "
            "WHERE g.until >= ? AND g.since <= ? AND e.node = ifnull(?, e.node) "
            "ORDER BY g.since LIMIT ?",
            *(begin, end, node, MOST_ROWS),
        )
        return [Gap(since=gap[0], until=gap[1], reason=gap[2]) for gap in found]

    def gaps(self, node: str | None) -> list[Gap]:
        """Return all time ranges without data: restarts of the server, and dropped ticks.

        Args:
            node: name of a server process; None for all.
        """
        found = self._stored_gaps(None, None, node)
        epochs = [each for each in self._file.epochs() if node in {None, each.node}]
        spans = {
            epoch: (begin, end)
            for epoch, begin, end in self._file.plain(
                "SELECT epoch, min(time - elapsed), max(time) FROM samples WHERE level = 1 "
                "GROUP BY epoch"
            )
        }
        for before, after in pairwise(epochs):
            _, end = spans.get(before.id, (None, before.ended))
            begin, _ = spans.get(after.id, (after.wall, None))
            if end is not None:
                found.append(Gap(since=end, until=max(end, begin), reason=series_queries.RESTARTED))
        return sorted(found, key=lambda gap: gap.since)

    def _merged(self, query: SeriesQuery) -> list[SeriesPoint]:
        """Merge a query's time range into one point; return it in a list, empty without Samples.

        For each part of the range, the Samples of the finest resolution that the file still has are
        used.
        """
        chosen: list[SeriesPoint] = []
        for epoch in self._file.epochs():
            if query.node is not None and epoch.node != query.node:
                continue
            begin = None
            for level in LEVELS:
                found = self.samples(
                    level=level, since=query.since, until=query.until, epoch=epoch.id
                )
                kept = [p for p in found if begin is None or p.sample.seq < begin]
                if kept:
                    begin = kept[0].sample.seq - kept[0].ticks + 1
                    chosen = kept + chosen if begin else chosen
        if not chosen:
            return []
        chosen.sort(key=lambda point: (point.sample.time, point.sample.seq))
        merged = merge([point.sample for point in chosen])
        return [SeriesPoint(merged, sum(point.ticks for point in chosen))]


def _added(base: Snapshot, samples: Sequence[Sample]) -> Snapshot:
    """Return the totals after some Samples: ``base`` plus the increases in these Samples."""
    if not samples:
        return base
    as_sample = Sample(
        node=base.node,
        epoch=base.epoch,
        seq=base.seq,
        time=base.time,
        elapsed=base.uptime,
        **{name: getattr(base, name) for name in _TOTALLED},
    )
    total = merge([as_sample, *samples])
    last = samples[-1]
    rates = {name: rate for name in base.rates if (rate := last.rate(name)) is not None}
    return replace(
        base,
        seq=total.seq,
        time=total.time,
        uptime=total.elapsed,
        rates=rates,
        **{name: getattr(total, name) for name in _TOTALLED},
    )


_TOTALLED = tuple(
    name
    for name in Snapshot.__dataclass_fields__
    if name in Sample.__dataclass_fields__ and name not in {"node", "epoch", "seq", "time"}
)
