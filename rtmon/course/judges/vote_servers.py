"""Judge a vote: everybody sees the same counts, and nothing that comes in can break them."""

from __future__ import annotations

import json
from collections import Counter

from .simulated_users import SimulatedUser
from .task_cancellation import together
from .trial import Broken, Handler, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["vote_server"]

_GREETED = Promise(
    "a newcomer is told the counts at once",
    "a JSON object reaches ada before anybody has voted",
    "what does your handler send before it waits for the first message?",
)
_COUNTED = Promise(
    "every vote counts, and everybody is told",
    "after ada has voted for tea, the last counts of ada and ben have one tea more",
    "who is sent the counts when a vote comes in?",
)
_AGREED = Promise(
    "many votes at once are all counted",
    "60 votes of three people: all three see the same counts in the end, the right ones",
    "is there an `await` between reading a count and writing it back?",
)
_CUT = Promise(
    "a cut link loses no vote and ends no other connection",
    "after ben's link is cut, ada's and cleo's votes count, and ben's earlier ones still do",
    "what happens when the counts are sent to a connection that has ended?",
)
_NONSENSE = Promise(
    "what is no vote is not counted, and harms nobody",
    "an empty text, one of 21 characters and a binary message change nothing; their sender may "
    "still vote",
    "which messages are votes: of which type, and of how many characters?",
)

_LONGEST = 20


async def vote_server(handler: Handler) -> Verdict:
    """Judge a handler for ``websockets.serve`` that counts votes.

    A text of 1 to 20 characters is a vote for that word. Every client has to get all counts as a
    JSON object, ``{"tea": 2}``: when it connects, and after each vote of any client.

    Args:
        handler: ``async def vote(websocket)``.
    """

    async def scenario(trial: Trial) -> None:
        url = await trial.serve(handler)
        with trial.promise(_GREETED):
            ada = await SimulatedUser.arrive("ada", trial, url)
            await trial.until(lambda: ada.heard, f"nothing reached ada within {trial.patience:g} s")
            if not isinstance(_counts(ada), Counter):
                raise Broken(f"ada got {_last(ada)}")
        before = _counts(ada) or Counter()  # the learner may have tried it before
        votes = Counter[str]()

        async def agree(*people: SimulatedUser) -> None:
            for one in people:
                await _sees(trial, one, before + votes)

        async def vote(one: SimulatedUser, *words: str) -> None:
            votes.update(words)
            for word in words:
                await one.say(word)

        with trial.promise(_COUNTED):
            ben = await SimulatedUser.arrive("ben", trial, url)
            await vote(ada, "tea")
            await agree(ada, ben)
        with trial.promise(_AGREED):
            cleo = await SimulatedUser.arrive("cleo", trial, url)
            everybody = (ada, ben, cleo)
            await together(*(vote(one, *["tea", "coffee"] * 10) for one in everybody))
            await agree(*everybody)
        with trial.promise(_CUT):
            ben.cut()
            await vote(ada, *["tea"] * 5)
            await vote(cleo, *["juice"] * 5)
            await agree(ada, cleo)
            ben = await SimulatedUser.arrive("ben", trial, url)
            await agree(ben)
        with trial.promise(_NONSENSE):
            for nonsense in ("", "x" * (_LONGEST + 1), b"tea"):
                await ben.say(nonsense)
            await vote(ben, "water", "y" * _LONGEST)
            await agree(ada, ben, cleo)
            trial.require_nothing_raised()

    return await judged([_GREETED, _COUNTED, _AGREED, _CUT, _NONSENSE], scenario)


async def _sees(trial: Trial, person: SimulatedUser, counts: Counter[str]) -> None:
    """Wait until the last counts that a person got are these.

    Raises:
        Broken: they do not come.
    """
    await trial.until(
        lambda: _counts(person) == counts,
        lambda: f"the last that {person.name} got is {_last(person)}, not {json.dumps(counts)}",
    )


def _counts(person: SimulatedUser) -> Counter[str] | None:
    """Return the counts that a person got last; None if it was something else."""
    try:
        return Counter(json.loads(person.heard[-1]))
    except (IndexError, TypeError, ValueError, AttributeError):
        return None


def _last(person: SimulatedUser) -> str:
    return person.heard[-1][:80] if person.heard else "nothing"
