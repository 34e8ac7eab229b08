"""Message types that an application adds to the protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeAlias, get_type_hints

import msgspec

from ...errors import OptionError, ProtocolError
from ...protocol.codecs import Codec
from ...protocol.limits import TYPE_LENGTH
from ...protocol.values import check_data, check_finite
from . import HANDLERS

__all__ = ["Function", "Handler", "handler"]

Function: TypeAlias = Callable[[Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Handler:
    """A function for a message type, and what it takes as payload."""

    function: Function
    payload: Any

    def decode(self, codec: Codec, raw: msgspec.Raw, kind: str) -> Any:
        """The payload of a message, as what the function takes.

        Raises:
            ProtocolError: it is something else, or one that not every codec can carry.
        """
        free = codec.payload(raw, Any, of=kind)
        try:
            (check_data if self.payload is Any else check_finite)(free)
        except (TypeError, ValueError) as error:
            raise ProtocolError("invalid_payload", f"The payload of {kind}: {error}.") from None
        return free if self.payload is Any else codec.payload(raw, self.payload, of=kind)


def handler(kind: str, function: Function) -> Handler:
    """A function as the handler of a message type; its second parameter says what it takes.

    Raises:
        OptionError: the type is one of the protocol's own, or the function takes no payload,
            or one of a type that cannot be found.
    """
    if kind in HANDLERS or not 0 < len(kind) <= TYPE_LENGTH:
        raise OptionError(f"{kind!r} cannot be a message type of your own: choose another name.")
    parameters = list(signature(function).parameters)
    if len(parameters) != 2:
        raise OptionError(f"The handler of {kind!r} must take two parameters: session, payload.")
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise OptionError(
            f"The handler of {kind!r} takes a payload of a type that is not found: {error}. Define "
            "the type at the top of a module."
        ) from None
    return Handler(function, hints.get(parameters[1], Any))
