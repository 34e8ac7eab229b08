"""Alert rules, such as "slow readers", and their evaluation after each tick.

A rule fires when its condition has been true for ``lasting`` seconds. The rule clears when its
condition has been false for ``clearing`` seconds. A problem that comes and goes is therefore one
alert, not many. A rule returns a text about what is affected, and most rules have a query that
lists the affected rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..feeds.queries import Table
from ..metrics.records import Sample
from .merged_samples import MergedSamples, latest
from .number_format import delay, scaled

__all__ = ["RULES", "Attention", "Matter", "Recent", "Rule", "Severity"]

Severity = Literal["warn", "bad"]

REMEMBERED = 300.0
"""Seconds of Samples that are kept for evaluating the rules' conditions."""


class Recent:
    """The latest Samples of one epoch, from which a rule's condition computes rates and quantiles.

    Args:
        samples: the Samples, oldest first; at least one.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self.last = samples[-1]

    def span(self, seconds: float, *, skip: float = 0.0) -> MergedSamples:
        """Merge the Samples of a time range.

        The range is ``seconds`` long and ends ``skip`` seconds before the newest Sample.
        """
        return MergedSamples(latest(self._samples, seconds, skip=skip))

    def total(self, counter: str, seconds: float = 10.0, *, skip: float = 0.0) -> int:
        """Return how much a counter grew in a time range; 0 if the counter is unknown.

        See :meth:`span` for ``seconds`` and ``skip``.
        """
        found = self.span(seconds, skip=skip).total(counter)
        return found[0] if found else 0

    def rate(self, counter: str, seconds: float, *, skip: float = 0.0) -> float:
        """Return how much a counter grew per second in a time range; 0 if it is unknown.

        See :meth:`span` for ``seconds`` and ``skip``.
        """
        return self.span(seconds, skip=skip).rate(counter) or 0.0

    def quantile(self, histogram: str, q: float, seconds: float = 10.0) -> float:
        """Return the quantile ``q`` of a histogram over the last ``seconds``; 0 if it is empty."""
        return self.span(seconds).quantile(histogram, q) or 0.0

    def open_before(self, seconds: float) -> int:
        """Return the number of connections that were open ``seconds`` ago; 0 if unknown."""
        samples = latest(self._samples, 1.0, skip=seconds)
        return samples[-1].open or 0 if samples else 0

    def growth(self, gauge: str, seconds: float) -> tuple[float, float] | None:
        """Return a gauge's lowest value in the first and in the last third of a time range.

        The range is the last ``seconds``. The result is None if the Samples do not cover it, or
        if the gauge is unknown in one of the thirds.
        """
        samples = latest(self._samples, seconds)
        if sum(sample.elapsed for sample in samples) < 0.9 * seconds:
            return None
        third = len(samples) // 3
        ends = []
        for part in (samples[:third], samples[-third:]):
            known = [value for s in part if (value := getattr(s, gauge)) is not None]
            if not known:
                return None
            ends.append(float(min(known)))
        return ends[0], ends[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An alert rule.

    Attributes:
        key: the rule's id, in URLs and tests.
        title: the problem in a few words.
        severity: ``bad`` if users are affected now, ``warn`` if users may be affected soon.
        holds: the rule's condition. It gets the latest Samples and returns a text such as
            "3 messages dropped in 10 s" if the condition is true, else "".
        lasting: seconds for which the condition must be true before the rule fires.
        clearing: seconds for which the condition must be false before the rule clears.
        table: the table that lists the affected connections or events; None if no table does.
        query: the query that selects the affected rows of that table.
        sort: the column of that table to sort by, so that the worst rows come first.
    """

    key: str
    title: str
    severity: Severity
    holds: Callable[[Recent], str]
    lasting: float = 0.0
    clearing: float = 10.0
    table: Table | None = "connections"
    query: str = ""
    sort: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """An active alert: a rule that has fired and has not cleared.

    Attributes:
        rule: the rule that fired.
        since: when the rule's condition became true, in Unix seconds of the server's clock.
        whom: the text that :attr:`Rule.holds` returned when the condition was last true, such as
            "3 messages dropped in 10 s".
    """

    rule: Rule
    since: float
    whom: str


def _slow_readers(recent: Recent) -> str:
    slow = recent.last.slow or 0
    return f"{_count(slow, 'connection')} with unread bytes for over a second" if slow else ""


def _drops(recent: Recent) -> str:
    dropped = recent.total("dropped")
    return f"{_count(dropped, 'message')} dropped in 10 s" if dropped else ""


def _errors(recent: Recent) -> str:
    errors = recent.total("errors")
    usual = recent.rate("errors", 240.0, skip=60.0) * 10.0
    burst = errors >= max(5.0, 5.0 * usual)
    return f"{_count(errors, 'error')} in 10 s" if burst else ""


def _reconnects(recent: Recent) -> str:
    opened, closed = recent.total("opened", 30.0), recent.total("closed", 30.0)
    loops = min(opened, closed) >= max(30, recent.last.open)
    return f"{opened:,} opened and {closed:,} closed in 30 s" if loops else ""


def _gone(recent: Recent) -> str:
    before, closed = recent.open_before(10.0), recent.total("closed")
    many = closed >= max(5, before / 2) and recent.last.open <= before / 2
    return f"{closed:,} of {before:,} connections closed in 10 s" if many else ""


def _rejected(recent: Recent) -> str:
    rejected, opened = recent.total("rejected", 30.0), recent.total("opened", 30.0)
    many = rejected >= max(5, opened // 5)
    return f"{_count(rejected, 'handshake')} rejected in 30 s" if many else ""


def _lag(recent: Recent) -> str:
    late = recent.quantile("lag", 0.99)
    return f"everybody: p99 is {delay(late)}" if late > 0.1 else ""


def _handlers(recent: Recent) -> str:
    slow = recent.quantile("handler", 0.99, 30.0)
    return f"senders: p99 is {delay(slow)}" if slow > 1.0 else ""


def _rtt(recent: Recent) -> str:
    middle, worst = recent.quantile("rtt", 0.5, 60.0), recent.quantile("rtt", 0.99, 60.0)
    far = worst > 0.5 and worst > 10.0 * middle
    return f"p99 is {delay(worst)}, where p50 is {delay(middle)}" if far else ""


def _queue(recent: Recent) -> str:
    ends = recent.growth("send_queue", 60.0)
    if ends is None or ends[1] < 1_000_000 or ends[1] < 1.5 * ends[0]:
        return ""
    return f"{_size(ends[1])} wait to be sent, {_size(ends[0])} a minute ago"


def _memory(recent: Recent) -> str:
    ends = recent.growth("memory", 240.0)
    if ends is None or ends[1] < ends[0] + 50_000_000 or ends[1] < 1.2 * ends[0]:
        return ""
    return f"{_size(ends[1])} in use, {_size(ends[0])} four minutes ago"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _size(number: float) -> str:
    return " ".join(scaled(number, "B"))


RULES: tuple[Rule, ...] = (
    Rule(
        key="slow-readers",
        title="Slow readers",
        severity="bad",
        holds=_slow_readers,
        lasting=2.0,
        query="state:open queue_age>1s",
        sort="queue_age",
    ),
    Rule(
        key="drops",
        title="Messages are dropped",
        severity="bad",
        holds=_drops,
        clearing=30.0,
        query="dropped>0",
        sort="dropped",
    ),
    Rule(
        key="errors",
        title="A burst of errors",
        severity="bad",
        holds=_errors,
        clearing=30.0,
        query="errors>0",
        sort="errors",
    ),
    Rule(
        key="reconnects",
        title="Clients reconnect again and again",
        severity="bad",
        holds=_reconnects,
        lasting=10.0,
        clearing=30.0,
        query="state:closed",
        sort="closed",
    ),
    Rule(
        key="gone",
        title="Most clients are gone",
        severity="bad",
        holds=_gone,
        clearing=60.0,
        query="state:closed",
        sort="closed",
    ),
    Rule(
        key="rejected",
        title="Handshakes are rejected",
        severity="warn",
        holds=_rejected,
        clearing=30.0,
        table="events",
        query="kind:rejected",
        sort="seq",
    ),
    Rule(
        key="lag",
        title="The event loop is late",
        severity="bad",
        holds=_lag,
        lasting=5.0,
        table=None,
    ),
    Rule(
        key="handlers",
        title="Handlers are slow",
        severity="warn",
        holds=_handlers,
        lasting=10.0,
        clearing=30.0,
        query="state:open",
        sort="messages_in",
    ),
    Rule(
        key="rtt",
        title="Some round trips are far longer than most",
        severity="warn",
        holds=_rtt,
        lasting=30.0,
        clearing=60.0,
        query="state:open rtt_p99>500ms",
        sort="rtt_p99",
    ),
    Rule(
        key="queue-growth",
        title="Send queues grow",
        severity="warn",
        holds=_queue,
        clearing=30.0,
        query="state:open waiting>0",
        sort="send_queue",
    ),
    Rule(
        key="memory-growth",
        title="Memory grows",
        severity="warn",
        holds=_memory,
        clearing=60.0,
        table=None,
    ),
)
"""All alert rules, the most urgent first."""


@dataclass
class _State:
    """Evaluation state of one alert rule.

    Attributes:
        since: when the condition became true, Unix seconds; None while it is false and the rule
            has not fired.
        last: when the condition was last true, Unix seconds.
        whom: the text that the condition returned at that time.
        active: True while the rule has fired and has not cleared.
    """

    since: float | None = None
    last: float = 0.0
    whom: str = ""
    active: bool = False


@dataclass
class Attention:
    """Evaluates the alert rules after each tick. Times are those of the Samples.

    Attributes:
        rules: the rules to evaluate.
        matters: the active alerts, in the order of ``rules``.
        well_since: since when there is no active alert, in Unix seconds: the time when the last
            alert cleared, or the time of the epoch's first Sample. None while an alert is active,
            and before the first Sample.
    """

    rules: Sequence[Rule] = RULES
    matters: Sequence[Matter] = ()
    well_since: float | None = None
    _epoch: str = ""
    _samples: deque[Sample] = field(default_factory=deque)
    _age: float = 0.0
    _states: Mapping[str, _State] = field(default_factory=dict)

    def update(self, sample: Sample) -> Sequence[Matter]:
        """Evaluate all rules with the Sample of a new tick, and return the active alerts.

        If the server was restarted, the Sample belongs to a new epoch. All rules are then reset
        before they are evaluated.
        """
        if sample.epoch != self._epoch:
            self._epoch, self._age = sample.epoch, 0.0
            self._samples.clear()
            self._states = {rule.key: _State() for rule in self.rules}
            self.well_since = sample.time
        self._samples.append(sample)
        self._age += sample.elapsed
        while self._age - self._samples[0].elapsed >= REMEMBERED:
            self._age -= self._samples.popleft().elapsed
        recent = Recent(list(self._samples))
        for rule in self.rules:
            self._judge(rule, self._states[rule.key], recent, sample.time)
        self.matters = [
            Matter(rule=rule, since=state.since or 0.0, whom=state.whom)
            for rule in self.rules
            if (state := self._states[rule.key]).active
        ]
        if self.matters:
            self.well_since = None
        elif self.well_since is None:
            self.well_since = sample.time
        return self.matters

    @staticmethod
    def _judge(rule: Rule, state: _State, recent: Recent, now: float) -> None:
        whom = rule.holds(recent)
        if whom:
            state.since = now if state.since is None else state.since
            state.last, state.whom = now, whom
            state.active = state.active or now - state.since >= rule.lasting
        elif not state.active:
            state.since = None
        elif now - state.last >= rule.clearing:
            state.active, state.since = False, None
