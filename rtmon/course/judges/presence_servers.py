"""Judge a learner's presence server, which sends each client the list of users who are online.

The list has to be right also after a connection is cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from .simulated_users import SimulatedUser
from .trial import Handler, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["presence"]

_TOLD = Promise(
    "a newcomer is told who is here",
    '["ada"] reaches ada once she has sent her name',
    "what does the first person who comes get, and when?",
)
_JOINED = Promise(
    "everybody is told when somebody comes",
    'after ben and cleo have come, the last list of everybody is ["ada", "ben", "cleo"]',
    "a list is sent at each change, to those who were here before, too",
)
_LEFT = Promise(
    "a person who says goodbye is taken off the list",
    'after cleo has closed her connection, the last list of the others is ["ada", "ben"]',
    "what does your handler do after the last message?",
)
_CUT = Promise(
    "a person who is cut off is taken off the list",
    'after ben\'s link is cut, the last list of ada is ["ada"]',
    "when a link is cut, waiting for the next message raises: which lines still run then?",
)
_TABS = Promise(
    "a person with two connections is here until the last one ends",
    'ben has two connections; after one is cut the list is ["ada", "ben"], '
    'after the other one ["ada"]',
    "what has to be counted: names, or connections?",
)
_FLAPPING = Promise(
    "a link that comes and goes leaves the list right",
    'after ben came and was cut ten times, and once before he said his name, it is ["ada", "ben"]',
    "what happens when the connection ends before the name has come?",
)


async def presence(handler: Handler) -> Verdict:
    """Judge a learner's ``websockets.serve`` handler that tells clients which users are online.

    The first text message of a client is the name of its user. After each change, the handler has
    to send every client a JSON list with the names of all connected users. The list is sorted and
    contains each name once.

    Args:
        handler: the learner's function, ``async def presence(websocket)``.
    """

    async def scenario(trial: Trial) -> None:
        url = await trial.serve(handler)

        async def arrive(name: str) -> SimulatedUser:
            return await SimulatedUser.arrive(name, trial, url, first=name)

        with trial.promise(_TOLD):
            ada = await arrive("ada")
            await _agree(trial, [ada], ["ada"])
        with trial.promise(_JOINED):
            ben = await arrive("ben")
            cleo = await arrive("cleo")
            await _agree(trial, [ada, ben, cleo], ["ada", "ben", "cleo"])
        with trial.promise(_LEFT):
            await cleo.leave()
            await _agree(trial, [ada, ben], ["ada", "ben"])
        with trial.promise(_CUT):
            ben.cut()
            await _agree(trial, [ada], ["ada"])
        with trial.promise(_TABS):
            desk, phone = await arrive("ben"), await arrive("ben")
            await _agree(trial, [ada, desk, phone], ["ada", "ben"])
            desk.cut()
            # Ben is still online, so the server need not send a new list. When cleo connects and
            # leaves, the server has to send one.
            cleo = await arrive("cleo")
            await _agree(trial, [ada, phone], ["ada", "ben", "cleo"])
            await cleo.leave()
            await _agree(trial, [ada, phone], ["ada", "ben"])
            phone.cut()
            await _agree(trial, [ada], ["ada"])
        with trial.promise(_FLAPPING):
            for _ in range(10):
                (await arrive("ben")).cut()
            (await SimulatedUser.arrive("ben", trial, url)).cut()
            ben = await arrive("ben")
            await _agree(trial, [ada, ben], ["ada", "ben"])
            trial.require_nothing_raised()

    return await judged([_TOLD, _JOINED, _LEFT, _CUT, _TABS, _FLAPPING], scenario)


async def _agree(trial: Trial, people: Iterable[SimulatedUser], names: list[str]) -> None:
    """Wait until the last list that each user received contains exactly the given names.

    Raises:
        Broken: a user did not receive this list in time.
    """
    for one in people:
        await _sees(trial, one, names)


async def _sees(trial: Trial, person: SimulatedUser, names: list[str]) -> None:
    """Wait until the last message that one user received is the JSON list of the given names."""
    await trial.until(
        lambda: person.heard and _parsed(person.heard[-1]) == names,
        lambda: f"the last that {person.name} heard is {_last(person)}",
    )


def _parsed(text: str) -> object:
    """Parse JSON; return None for an invalid text."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _last(person: SimulatedUser) -> str:
    """Return the beginning of the last message that a user received, or ``"nothing"``."""
    return person.heard[-1][:60] if person.heard else "nothing"
