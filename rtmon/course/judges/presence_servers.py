"""Judge presence: each client knows which users are online, right after a cut, too."""

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
    """Judge a handler for ``websockets.serve`` that tells clients which users are online.

    The first text of a client is its user's name. At each change every client has to get the list
    of names of all users who are connected, as JSON: sorted, and each name once.

    Args:
        handler: ``async def presence(websocket)``.
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
            # Cleo comes and goes, so that there is news about ben in any case.
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
    """Wait until the last list that each person got has these names.

    Raises:
        Broken: it does not come.
    """
    for one in people:
        await _sees(trial, one, names)


async def _sees(trial: Trial, person: SimulatedUser, names: list[str]) -> None:
    await trial.until(
        lambda: person.heard and _parsed(person.heard[-1]) == names,
        lambda: f"the last that {person.name} heard is {_last(person)}",
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _last(person: SimulatedUser) -> str:
    return person.heard[-1][:60] if person.heard else "nothing"
