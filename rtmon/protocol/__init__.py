"""The hub's protocol: envelope, catalog, codecs, close codes and limits. Pure, no I/O.

docs/protocol.md says in words what this package says in types. The message types stand here as
constants: ``from rtmon.protocol import CHAT_MESSAGE``.
"""

from __future__ import annotations

from .message_type_names import *  # noqa: F403
from .message_type_names import __all__ as __all__
