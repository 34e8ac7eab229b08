"""Judge a learner's vote server, which counts votes and sends the counts to all clients.

Invalid messages and lost connections must not change the counts.
"""

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
"""Maximum number of characters of a vote."""


async def vote_server(handler: Handler) -> Verdict:
    """Judge a learner's ``websockets.serve`` handler that counts votes.

    A text message of 1 to 20 characters is a vote for this text. The handler has to send all
    counts as a JSON object, such as ``{"tea": 2}``. It sends them to a client when the client
    connects, and to all clients after each vote.

    Args:
        handler: the learner's function, ``async def vote(websocket)``.
    """

    async def scenario(trial: Trial) -> None:
        url = await trial.serve(handler)
        with trial.promise(_GREETED):
            ada = await SimulatedUser.arrive("ada", trial, url)
            await trial.until(lambda: ada.heard, f"nothing reached ada within {trial.patience:g} s")
            if not isinstance(_counts(ada), Counter):
                raise Broken(f"ada got {_last(ada)}")
        before = _counts(ada) or Counter()  # The learner may have sent votes before the trial.
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
    """Wait until the last message that a user received contains exactly the given counts.

    Raises:
        Broken: the user did not receive these counts in time.
    """
    await trial.until(
        lambda: _counts(person) == counts,
        lambda: f"the last that {person.name} got is {_last(person)}, not {json.dumps(counts)}",
    )


def _counts(person: SimulatedUser) -> Counter[str] | None:
    """Parse the last message that a user received; returns None if it contains no counts."""
    try:
        return Counter(json.loads(person.heard[-1]))
    except (IndexError, TypeError, ValueError, AttributeError):
        return None


def _last(person: SimulatedUser) -> str:
    """Return the beginning of the last message that a user received, or ``"nothing"``."""
    return person.heard[-1][:80] if person.heard else "nothing"
