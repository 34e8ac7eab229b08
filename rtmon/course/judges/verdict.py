"""The verdict of a judge: one fact for each promise, with text for the learner."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fact", "Promise", "Verdict"]


@dataclass(frozen=True, slots=True)
class Promise:
    """A requirement for the learner's code, whatever the network does.

    Attributes:
        claim: the promise, as text.
        expected: the finding if the promise is kept.
        hint: where the learner should look if the promise is broken; never the solution.
    """

    claim: str
    expected: str
    hint: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A promise, and the finding of its trial.

    Attributes:
        claim: the promise, in words.
        found: the finding; empty if the promise was not tried.
        expected: the finding when the promise is kept.
        holds: True if the promise was kept, False if not, None if it was not tried.
        hint: where to look; empty unless the promise is broken.
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
    """The facts of one trial, in the order in which they were tried.

    A trial ends with the first broken promise. A notebook shows a verdict as text, one fact per
    line. Pass a verdict to ``check`` as follows::

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
        """The first broken promise, or None."""
        return next((fact for fact in self.facts if fact.holds is False), None)

    @property
    def holds(self) -> bool:
        """True if every promise was tried and kept."""
        return all(fact.holds for fact in self.facts)

    @property
    def kept(self) -> int:
        """Number of promises that were tried and kept."""
        return sum(fact.holds is True for fact in self.facts)

    @property
    def story(self) -> str:
        """The finding of the first broken promise; empty if none is broken."""
        return "" if self.broken is None else f"{self.broken.claim}: {self.broken.found}"

    @property
    def hint(self) -> str:
        """The hint of the first broken promise; empty if none is broken."""
        return "" if self.broken is None else self.broken.hint
