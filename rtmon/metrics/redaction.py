"""Redact texts that identify people, by the same rules in recordings, exports and reports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal, Self

from ..core.ip_addresses import network
from ..errors import OptionError
from .records import AddressInfo, ConnectionInfo, Event

__all__ = ["KEEP_ALL", "SECRET_HEADERS", "Redaction"]

Rule = Literal["keep", "hash", "network", "drop"]

_RULES: Mapping[str, Sequence[Rule]] = {
    "addresses": ("keep", "hash", "network", "drop"),
    "names": ("keep", "hash", "drop"),
    "agents": ("keep", "hash", "drop"),
    "reasons": ("keep", "drop"),
    "frames": ("keep", "drop"),
}
"""Kinds of text, and the rules that each can have."""

SECRET_HEADERS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"),
        *("x-auth-token", "x-csrf-token", "sec-websocket-key", "sec-websocket-protocol"),
    }
)
"""Request headers whose values are never shown: they hold credentials, or may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Rules for texts that identify people.

    A rule is ``keep``, ``drop`` (null), or ``hash``: the first 12 hexadecimal digits of a keyed
    BLAKE2 hash, so that the same text is the same everywhere in one recording and cannot be
    guessed without the key. Addresses have a fourth, ``network``: the IPv4 address with its last
    number 0, or the IPv6 /48 network. An address is hashed without its port, so that connections
    from one address stay together.

    By default everything is kept but the values of :data:`SECRET_HEADERS`.

    Args:
        addresses: for ``remote``.
        names: for ``name`` and ``user``.
        reasons: for close reasons, and for the details of Events: ``keep`` or ``drop``.
        agents: for ``user_agent``.
        frames: for last frames, which may hold payload, and tracebacks: ``keep`` or ``drop``.
        headers: further request headers whose values are dropped.
        key: key of the hash; the same key gives the same hashes in several recordings.

    Raises:
        OptionError: there is no such rule.
    """

    addresses: Rule = "keep"
    names: Rule = "keep"
    reasons: Rule = "keep"
    agents: Rule = "keep"
    frames: Rule = "keep"
    headers: Collection[str] = ()
    key: bytes = b""

    def __post_init__(self) -> None:
        for name, rules in _RULES.items():
            if getattr(self, name) not in rules:
                known = ", ".join(rules)
                raise OptionError(f"{name}={getattr(self, name)!r}: the rules are {known}")
        if len(self.key) > blake2b.MAX_KEY_SIZE:
            raise OptionError(
                f"the key of hashes has {len(self.key)} bytes, of at most {blake2b.MAX_KEY_SIZE}"
            )

    @classmethod
    def parse(cls, text: str, *, key: bytes = b"") -> Self:
        """Parse rules as the command line has them: ``addresses=network,names=hash``.

        Args:
            text: ``kind=rule`` pairs, separated by commas.
            key: see :class:`Redaction`.

        Raises:
            OptionError: the text is malformed, or there is no such rule.
        """
        rules: dict[str, Any] = {}
        for part in text.split(","):
            name, _, rule = (piece.strip() for piece in part.partition("="))
            if name not in _RULES or name in rules:
                known = ", ".join(_RULES)
                problem = "is said twice" if name in rules else f"is not one of {known}"
                raise OptionError(
                    f"{name!r} {problem}: write rules as in addresses=network,names=hash"
                )
            rules[name] = rule
        return cls(**rules, key=key)

    def connection(self, info: ConnectionInfo) -> ConnectionInfo:
        """Redact a row of the connections table."""
        if self.keeps_all:
            return info
        frames = self._simple(self.frames)
        reasons = self._simple(self.reasons)
        return replace(
            info,
            remote=self._address(info.remote),
            name=self._text(self.names, info.name),
            user=self._text(self.names, info.user),
            client_id=self._text(self.names, info.client_id),
            user_agent=self._text(self.agents, info.user_agent),
            reason_sent=reasons(info.reason_sent),
            reason_received=reasons(info.reason_received),
            traceback=frames(info.traceback),
            last_frames=frames(info.last_frames),
        )

    def event(self, event: Event) -> Event:
        """Redact an Event."""
        if self.keeps_all:
            return event
        return replace(
            event,
            remote=self._address(event.remote),
            client_id=self._text(self.names, event.client_id),
            name=self._text(self.names, event.name),
            detail=self._simple(self.reasons)(event.detail),
        )

    def address(self, info: AddressInfo) -> AddressInfo | None:
        """Redact a row of the addresses table; None where addresses are dropped."""
        if self.addresses == "keep":
            return info
        if self.addresses == "network":
            shown: str | None = _wider(info.address)
        else:
            shown = self._text(self.addresses, info.address)
        return None if shown is None else replace(info, address=shown)

    def request_headers(self, headers: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Redact the request headers of a handshake: secret values become ``…``."""
        dropped = SECRET_HEADERS | {name.lower() for name in self.headers}
        return [(name, "…" if name.lower() in dropped else value) for name, value in headers]

    @property
    def keeps_all(self) -> bool:
        """True if no text is changed but secret headers."""
        rules = (self.addresses, self.names, self.reasons, self.agents, self.frames)
        return all(rule == "keep" for rule in rules)

    def _text(self, rule: Rule, text: str | None) -> str | None:
        if text is None or rule == "keep":
            return text
        return self._hash(text) if rule == "hash" else None

    def _simple(self, rule: Rule) -> Callable[[str | None], str | None]:
        return (lambda text: text) if rule == "keep" else (lambda _: None)

    def _address(self, remote: str | None) -> str | None:
        if remote is None or self.addresses == "keep":
            return remote
        if self.addresses != "network":
            return self._text(self.addresses, remote.rpartition(":")[0] or remote)
        host = network(remote)
        return None if host is None else _wider(host)

    def _hash(self, text: str) -> str:
        given = text.encode("utf-8", "surrogatepass")
        return blake2b(given, key=self.key, digest_size=6).hexdigest()


def _wider(host: str) -> str:
    """Return the IPv4 address with its last number 0, or the IPv6 /48 network."""
    if ":" in host:
        first = host.partition("/")[0].split(":")
        return ":".join(part or "0" for part in first[:3]) + "::/48"
    return host.rpartition(".")[0] + ".0"


KEEP_ALL = Redaction()
"""The default: everything is kept but the values of secret headers."""
