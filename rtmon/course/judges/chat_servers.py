"""Judge a learner's chat server: all users receive every message, even if one connection fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .simulated_users import SimulatedUser, first_fault
from .task_cancellation import together
from .trial import Broken, Handler, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["chat_server"]

_ALONE = Promise(
    "somebody alone hears what they say",
    "the one message that ada sent comes back to her",
    "the sender is one of those who are connected",
)
_EVERYBODY = Promise(
    "each message reaches everybody, once and in order",
    "30 messages each reach ada, ben and cleo, and nothing else does",
    "follow one message: for whom is `send` called, and how often?",
)
_CUT = Promise(
    "a cut link harms nobody else",
    "after ben's link is cut, 10 more messages each reach ada and cleo, and ben when he is back",
    "which line raises when it sends to somebody who is gone, and whose connection ends by that?",
)
_FROZEN = Promise(
    "a reader who takes nothing holds up nobody",
    "while dora's link is frozen, 60 long messages reach cleo",
    "`await send()` waits until there is room for this one reader: who else waits with it?",
)

_LONG = 50_000
"""Characters of a long message.

Sixty long messages exceed the total size of all buffers between the server and a client.
"""


async def chat_server(handler: Handler) -> Verdict:
    """Judge a learner's ``websockets.serve`` handler that implements a chat server.

    The handler has to send each text message of a client, unchanged, to all connected clients.
    This includes the client that sent the message.

    Args:
        handler: the learner's function, ``async def chat(websocket)``.
    """

    async def scenario(trial: Trial) -> None:
        url = await trial.serve(handler)
        with trial.promise(_ALONE):
            ada = await SimulatedUser.arrive("ada", trial, url)
            await _conversation(trial, [ada], [ada], ["is anybody here?"])
        ben = await SimulatedUser.arrive("ben", trial, url)
        cleo = await SimulatedUser.arrive("cleo", trial, url)
        with trial.promise(_EVERYBODY):
            people = [ada, ben, cleo]
            words = [f"word {number}" for number in range(1, 11)]
            await _conversation(trial, people, people, words)
        with trial.promise(_CUT):
            ben.cut()
            await _conversation(trial, [ada, cleo], [ada, cleo], words, after=ben)
            again = await SimulatedUser.arrive("ben", trial, url)
            await _conversation(trial, [cleo], [ada, again, cleo], ["welcome back"])
            trial.require_nothing_raised()
        with trial.promise(_FROZEN):
            dora = await SimulatedUser.arrive("dora", trial, url)
            await _conversation(trial, [dora], [dora, cleo], ["hello"])
            dora.link.freeze("down")
            pages = [f"page {number} ".ljust(_LONG, ".") for number in range(1, 61)]
            await _conversation(trial, [ada], [cleo], pages, after=dora)

    return await judged([_ALONE, _EVERYBODY, _CUT, _FROZEN], scenario)


async def _conversation(
    trial: Trial,
    speakers: Sequence[SimulatedUser],
    listeners: Sequence[SimulatedUser],
    words: Sequence[str],
    *,
    after: SimulatedUser | None = None,
) -> None:
    """Let users send messages at the same time, and check the messages that each user receives.

    Args:
        trial: the trial that the users belong to.
        speakers: users who send all ``words``, each with the user's name in front.
        listeners: users who have to receive all messages of all speakers.
        words: the texts to send.
        after: a user whose connection the judge has cut or frozen; the error message names this
            user.

    Raises:
        Broken: a listener missed a message, or received it twice or out of order.
    """
    said = {one.name: [f"{one.name}: {word}" for word in words] for one in speakers}
    before = {one: len(one.heard) for one in listeners}
    # Each speaker's last message. Duplicates of earlier messages arrive before this message.
    ends = {f"{one.name}: over" for one in speakers}
    circumstance = ""
    if after is not None:
        circumstance = f" after {after.name}'s link was {'frozen' if after.link.frozen else 'cut'}"

    def heard(listener: SimulatedUser) -> list[str]:
        return listener.heard[before[listener] :]

    def fault() -> str | None:
        for one in listeners:
            if problem := _fault([text for text in heard(one) if text not in ends], said, one.name):
                return problem + circumstance
        return None

    def silence() -> str:
        for one in (*speakers, *listeners):
            if not one.is_connected:
                return f"the server ended the connection of {one.name}{circumstance}"
        return fault() or "the last message of a conversation never arrived"

    await together(
        *(_speak(one, *said[one.name], f"{one.name}: over") for one in speakers),
        trial.until(lambda: all(ends <= set(heard(one)) for one in listeners), silence),
    )
    if problem := fault():
        raise Broken(problem)


async def _speak(speaker: SimulatedUser, *texts: str) -> None:
    """Send the texts as messages of one user, in order."""
    for text in texts:
        await speaker.say(text)


def _fault(heard: Sequence[str], said: Mapping[str, Sequence[str]], listener: str) -> str | None:
    """Compare the messages that a listener received with the sent messages of each speaker.

    Returns a sentence about the first difference; None if there is none.
    """
    speakers = tuple(f"{name}:" for name in said)
    for text in heard:
        if not text.startswith(speakers):
            return f"{listener} heard {text[:40]!r}, which nobody said"
    for name, texts in said.items():
        theirs = [text for text in heard if text.startswith(f"{name}:")]
        if problem := first_fault(theirs, texts, listener, name):
            return problem
    return None
