"""Message types that an application adds to the protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints

import msgspec

from ...errors import OptionError, ProtocolError
from ...protocol.codecs import Codec
from ...protocol.data_encoding import Data, encode_data, plain
from ...protocol.field_types import check_numbers
from ...protocol.limits import TYPE_LENGTH

if TYPE_CHECKING:
    from ..connection import Connection

__all__ = ["CustomHandler", "HandlerFunction", "custom_handler"]

HandlerFunction: TypeAlias = Callable[[Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class CustomHandler:
    """The application's function for a message type, and the type of its payload."""

    function: HandlerFunction
    payload: Any

    def decode(self, codec: Codec, raw: msgspec.Raw, kind: str) -> Any:
        """Decode the payload of a message as the function's type.

        Raises:
            ProtocolError: the payload is of another type, or not every codec can carry it.
        """
        free = codec.payload(raw, Any, of=kind)
        try:
            (plain if self.payload is Any else check_numbers)(free)
        except (TypeError, ValueError) as error:
            raise ProtocolError("invalid_payload", f"The payload of {kind}: {error}.") from None
        return free if self.payload is Any else codec.payload(raw, self.payload, of=kind)

    async def call(self, connection: Connection, payload: Any, kind: str) -> Data:
        """Call the function. Returns its result in the stored form.

        Raises:
            OptionError: the result is not one that every client can be sent.
        """
        result = await self.function(connection, payload)
        try:
            return encode_data(result)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"The handler of {kind!r} returned {result!r:.100}: {error}."
            ) from None


def custom_handler(
    kind: str, function: HandlerFunction, *, reserved: Collection[str]
) -> CustomHandler:
    """Make a function the handler of a message type; its second parameter's type is the payload's.

    Args:
        kind: the message type.
        function: takes the connection and the payload.
        reserved: message types of the protocol.

    Raises:
        OptionError: the type is one of the protocol's own, or the function takes no payload,
            or one of a type that cannot be found.
    """
    if kind in reserved or not 0 < len(kind) <= TYPE_LENGTH:
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
    return CustomHandler(function, hints.get(parameters[1], Any))
