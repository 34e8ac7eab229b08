"""Handlers of message types that the application adds with ``hub.on``."""

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
"""Coroutine function of the application, called with the connection and the payload."""


@dataclass(frozen=True, slots=True)
class CustomHandler:
    """A handler function of the application, and its payload type.

    Attributes:
        function: the handler function.
        payload: type to which the payload is decoded.
    """

    function: HandlerFunction
    payload: Any

    def decode(self, codec: Codec, raw: msgspec.Raw, kind: str) -> Any:
        """Decode a message's payload to the handler's payload type.

        Raises:
            ProtocolError: the payload has another type, or has values that a codec cannot encode.
        """
        free = codec.payload(raw, Any, of=kind)
        try:
            (plain if self.payload is Any else check_numbers)(free)
        except (TypeError, ValueError) as error:
            raise ProtocolError("invalid_payload", f"The payload of {kind}: {error}.") from None
        return free if self.payload is Any else codec.payload(raw, self.payload, of=kind)

    async def call(self, connection: Connection, payload: Any, kind: str) -> Data:
        """Call the handler function. Returns its result in stored form.

        Raises:
            OptionError: the result cannot be sent to all clients.
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
    """Return the handler for a message type from a function of the application.

    The annotation of the function's second parameter is the payload type.

    Args:
        kind: the message type.
        function: the handler function.
        reserved: message types of the protocol.

    Raises:
        OptionError: the type belongs to the protocol, the function does not take two parameters, or
            its payload type cannot be resolved.
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
