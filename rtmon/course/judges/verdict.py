"""The verdict of a judge: tells a learner which promises the learner's code has kept or broken."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fact", "Promise", "Verdict"]


@dataclass(frozen=True, slots=True)
class Promise:
    """A requirement that a judge tests, and that the learner's code has to meet.

    Attributes:
        claim: the requirement as text, such as "each message reaches everybody".
        expected: what the judge observes if the requirement is met.
        hint: a hint for the learner if the requirement is not met. It contains no solution.
    """

    claim: str
    expected: str
    hint: str


@dataclass(frozen=True, slots=True)
class Fact:
    """The result of testing one promise.

    Attributes:
        claim: the promise as text.
        found: what the judge observed; empty if the promise was not tested.
        expected: what the judge should observe, as text.
        holds: True if the promise was kept, False if it was broken, None if it was not tested.
        hint: a hint for the learner; empty unless the promise is broken.
    """

    claim: str
    found: str
    expected: str
    holds: bool | None
    hint: str = ""

    def __str__(self) -> str:
        if self.holds is None:
            return f"·  {self.claim}: not tried yet"
        if self.holds:
            return f"✓  {self.claim}: {self.found}"
        return f"○  {self.claim}\n     found:    {self.found}\n     expected: {self.expected}"


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The result of a judge: one fact for each promise, in the order of testing.

    Testing stops at the first broken promise. A notebook displays a verdict as text, with one line
    for each fact. Pass a verdict to ``check()`` like this::

        verdict = await judges.chat_server(chat)
        await check(
            "the chat server keeps its promises",
            found=lambda: {"promises kept": verdict.kept},
            expected={"promises kept": len(verdict.facts)},
            hint=verdict.hint,
        )
        verdict
    """

    facts: tuple[Fact, ...]

    def __repr__(self) -> str:
        return "\n".join(map(str, self.facts))

    @property
    def broken(self) -> Fact | None:
        """The fact of the broken promise; None if no promise is broken."""
        return next((fact for fact in self.facts if fact.holds is False), None)

    @property
    def holds(self) -> bool:
        """True if every promise was tested and kept."""
        return all(fact.holds for fact in self.facts)

    @property
    def kept(self) -> int:
        """Number of promises that were tested and kept."""
        return sum(fact.holds is True for fact in self.facts)

    @property
    def story(self) -> str:
        """Text about the broken promise and what the judge observed; empty if none is broken."""
        return "" if self.broken is None else f"{self.broken.claim}: {self.broken.found}"

    @property
    def hint(self) -> str:
        """The hint for the broken promise; empty if none is broken."""
        return "" if self.broken is None else self.broken.hint
