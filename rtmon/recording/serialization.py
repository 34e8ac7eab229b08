"""Serialize histograms and Snapshots as MessagePack, and rebuild Samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import msgspec

from ..metrics.columns import HISTOGRAMS, SAMPLE
from ..metrics.histogram import BYTE, MICROSECOND, Histogram, parse_tally, plain
from ..metrics.labelled_durations import LabelKey, Labels
from ..metrics.records import Sample, Snapshot

__all__ = [
    "histogram_texts",
    "pack_histograms",
    "pack_labels",
    "pack_records",
    "pack_snapshot",
    "sample_values",
    "unpack_labels",
    "unpack_records",
    "unpack_sample",
    "unpack_snapshot",
]

_RESOLUTION = {c.name: BYTE if c.unit == "B" else MICROSECOND for c in HISTOGRAMS}
_VALUES = tuple(
    column.name
    for column in SAMPLE
    if column.kind != "histogram" and column.name not in {"node", "epoch", "seq"}
)
_STORED = frozenset(Sample.__dataclass_fields__)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode
_decode_texts = msgspec.msgpack.Decoder(dict[str, tuple[int, dict[int, int]] | None]).decode
_encode_json = msgspec.json.Encoder().encode

_JSON_TO_TALLY, _JSON_QUOTES = bytes.maketrans(b",", b" "), b'"{}'
"""A JSON object of integers without quotes and braces is a tally as text."""


def _packed(histogram: Histogram | None) -> list[Any] | None:
    if histogram is None:
        return None
    # In order of keys, as their text has them: they are sorted once, not at each reading.
    return [histogram.total, dict(sorted(histogram.counts.items()))]


def _unpacked(name: str, packed: Sequence[Any] | None) -> Histogram | None:
    if packed is None:
        return None
    total, counts = packed
    resolution = _RESOLUTION[name]
    return Histogram(counts, total, resolution) if counts else Histogram.empty(resolution)


def pack_histograms(sample: Sample) -> bytes:
    """Pack the histograms of a Sample; those without values take no room."""
    packed = {name: _packed(getattr(sample, name)) for name in _RESOLUTION}
    return _encode({name: each for name, each in packed.items() if each is None or each[1]})


def histogram_texts(packed: bytes) -> list[str | None]:
    """Return the text form of each of a Sample's histograms, in the order of their columns.

    Args:
        packed: the histograms, as they are stored.

    Raises:
        msgspec.MsgspecError: they are damaged.
    """
    known = _decode_texts(packed)
    return [_text(known[name]) if name in known else "" for name in _RESOLUTION]


def _text(packed: tuple[int, dict[int, int]] | None) -> str | None:
    """Return what ``str`` of a histogram gives, from its packed form and in half the time."""
    if packed is None:
        return None
    total, counts = packed
    keys = list(counts)
    if keys != (ordered := sorted(keys)):  # an older release wrote them
        counts = {key: counts[key] for key in ordered}
    text = _encode_json(counts).translate(_JSON_TO_TALLY, _JSON_QUOTES).decode()
    return f"{total} {text}"


def sample_values(sample: Sample) -> list[Any]:
    """Return a Sample's scalars and quantiles, in the order of the samples table."""
    return [plain(getattr(sample, name)) for name in _VALUES]


def unpack_sample(
    node: str, epoch: str, seq: int, values: Mapping[str, Any], packed: bytes
) -> Sample:
    """Rebuild a Sample equal to the stored one.

    Raises:
        msgspec.MsgspecError: the packed histograms are damaged.
    """
    known = _decode(packed)
    histograms: dict[str, Any] = {
        name: _unpacked(name, known[name]) if name in known else Histogram.empty(resolution)
        for name, resolution in _RESOLUTION.items()
    }
    scalars = {name: values[name] for name in _VALUES if name in _STORED}
    scalars["close_codes"] = parse_tally(scalars["close_codes"] or "")
    return Sample(node=node, epoch=epoch, seq=seq, **scalars, **histograms)


def pack_snapshot(snapshot: Snapshot) -> bytes:
    """Pack the totals of an epoch."""
    values: dict[str, Any] = {
        name: getattr(snapshot, name)
        for name in Snapshot.__dataclass_fields__
        if name not in {"node", "epoch", "seq", "close_codes", "rates"}
    }
    for name in _RESOLUTION:
        values[name] = _packed(values[name])
    values["close_codes"] = dict(snapshot.close_codes)
    values["rates"] = dict(snapshot.rates)
    return _encode(values)


def unpack_snapshot(node: str, epoch: str, seq: int, packed: bytes) -> Snapshot:
    """Unpack the totals of an epoch; columns that the file does not have are null.

    Raises:
        msgspec.MsgspecError: they are damaged.
    """
    values = {k: v for k, v in _decode(packed).items() if k in Snapshot.__dataclass_fields__}
    for name in _RESOLUTION:
        values[name] = _unpacked(name, values.get(name))
    return Snapshot(node=node, epoch=epoch, seq=seq, **values)


def pack_labels(labels: Labels) -> bytes:
    """Pack the histograms of labels."""
    return _encode([(*key, each.total, dict(each.counts)) for key, each in labels.items()])


def unpack_labels(packed: bytes) -> dict[LabelKey, Histogram]:
    """Unpack the histograms of labels.

    Raises:
        msgspec.MsgspecError: it is damaged.
    """
    return {
        (measure, by, label): Histogram(counts, total)
        for measure, by, label, total, counts in _decode_labels(packed)
    }


_decode_labels = msgspec.msgpack.Decoder(list[tuple[str, str, str, int, dict[int, int]]]).decode


def pack_records(records: Sequence[Any]) -> bytes:
    """Pack rows of a table, and the names of its columns."""
    names = [each.name for each in fields(records[0])] if records else []
    return _encode((names, [[getattr(each, name) for name in names] for each in records]))


def unpack_records(kind: Callable[..., Any], packed: bytes) -> list[Any]:
    """Unpack rows of a table; columns that only one side knows are left out.

    Args:
        kind: the class of the records.
        packed: the rows.

    Raises:
        msgspec.MsgspecError: they are damaged.
    """
    names, rows = _decode_records(packed)
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return [
        kind(**{name: value for name, value in zip(names, row, strict=True) if name in known})
        for row in rows
    ]


_decode_records = msgspec.msgpack.Decoder(tuple[list[str], list[list[Any]]]).decode
