"""The message protocol between a hub and its clients: types, encoding, close codes, limits.

The package does no I/O. docs/protocol.md is the specification in prose. Each message type is also a
constant: ``from rtmon.protocol import CHAT_MESSAGE``.
"""

from __future__ import annotations

from .message_type_names import *  # noqa: F403
from .message_type_names import __all__ as __all__
