"""Serialize histograms, Snapshots and table rows as MessagePack for a recording, and read them."""

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
"""Translation of a JSON object of integers to the text form of a tally: no quotes or braces, and
spaces instead of commas."""


def _packed(histogram: Histogram | None) -> list[Any] | None:
    if histogram is None:
        return None
    # The text form needs sorted keys: sort once when writing, not at each reading.
    return [histogram.total, dict(sorted(histogram.counts.items()))]


def _unpacked(name: str, packed: Sequence[Any] | None) -> Histogram | None:
    if packed is None:
        return None
    total, counts = packed
    resolution = _RESOLUTION[name]
    return Histogram(counts, total, resolution) if counts else Histogram.empty(resolution)


def pack_histograms(sample: Sample) -> bytes:
    """Serialize the histograms of a Sample; empty histograms are omitted."""
    packed = {name: _packed(getattr(sample, name)) for name in _RESOLUTION}
    return _encode({name: each for name, each in packed.items() if each is None or each[1]})


def histogram_texts(packed: bytes) -> list[str | None]:
    """Return the text form of each histogram of a Sample, in the order of the histogram columns.

    Args:
        packed: the histograms, as :func:`pack_histograms` has serialized them.

    Raises:
        msgspec.MsgspecError: the data is damaged.
    """
    known = _decode_texts(packed)
    return [_text(known[name]) if name in known else "" for name in _RESOLUTION]


def _text(packed: tuple[int, dict[int, int]] | None) -> str | None:
    """Return the text of a histogram from its decoded total and counts.

    The result equals ``str(histogram)``, in half the time.
    """
    if packed is None:
        return None
    total, counts = packed
    keys = list(counts)
    if keys != (ordered := sorted(keys)):  # written by an older rtmon
        counts = {key: counts[key] for key in ordered}
    text = _encode_json(counts).translate(_JSON_TO_TALLY, _JSON_QUOTES).decode()
    return f"{total} {text}"


def sample_values(sample: Sample) -> list[Any]:
    """Return a Sample's values without histograms, in the order of the samples table's columns."""
    return [plain(getattr(sample, name)) for name in _VALUES]


def unpack_sample(
    node: str, epoch: str, seq: int, values: Mapping[str, Any], packed: bytes
) -> Sample:
    """Rebuild a Sample from the tables ``samples`` and ``histograms``.

    Args:
        node: name of the server process.
        epoch: name of the epoch.
        seq: number of the Sample.
        values: the row of the samples table: column → value.
        packed: the serialized histograms.

    Raises:
        msgspec.MsgspecError: the serialized histograms are damaged.
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
    """Serialize the values of a Snapshot, without its node, epoch and number."""
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
    """Rebuild a Snapshot. Its values that are missing in the serialized data are None.

    Raises:
        msgspec.MsgspecError: the data is damaged.
    """
    values = {k: v for k, v in _decode(packed).items() if k in Snapshot.__dataclass_fields__}
    for name in _RESOLUTION:
        values[name] = _unpacked(name, values.get(name))
    return Snapshot(node=node, epoch=epoch, seq=seq, **values)


def pack_labels(labels: Labels) -> bytes:
    """Serialize the histograms of durations by label, such as a path or room."""
    return _encode([(*key, each.total, dict(each.counts)) for key, each in labels.items()])


def unpack_labels(packed: bytes) -> dict[LabelKey, Histogram]:
    """Rebuild the histograms of durations by label from the result of :func:`pack_labels`.

    Raises:
        msgspec.MsgspecError: the data is damaged.
    """
    return {
        (measure, by, label): Histogram(counts, total)
        for measure, by, label, total, counts in _decode_labels(packed)
    }


_decode_labels = msgspec.msgpack.Decoder(list[tuple[str, str, str, int, dict[int, int]]]).decode


def pack_records(records: Sequence[Any]) -> bytes:
    """Serialize records of one dataclass, with the names of its fields."""
    names = [each.name for each in fields(records[0])] if records else []
    return _encode((names, [[getattr(each, name) for name in names] for each in records]))


def unpack_records(kind: Callable[..., Any], packed: bytes) -> list[Any]:
    """Rebuild records from the result of :func:`pack_records`.

    Serialized fields that the class does not have are ignored.

    Args:
        kind: the dataclass of the records.
        packed: the serialized records.

    Raises:
        msgspec.MsgspecError: the data is damaged.
    """
    names, rows = _decode_records(packed)
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return [
        kind(**{name: value for name, value in zip(names, row, strict=True) if name in known})
        for row in rows
    ]


_decode_records = msgspec.msgpack.Decoder(tuple[list[str], list[list[Any]]]).decode
