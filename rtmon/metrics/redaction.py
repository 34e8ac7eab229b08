"""Redact texts that identify people. Recordings, exports and reports use the same rules."""

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
"""Kind of text → the rules that can be chosen for this kind."""

SECRET_HEADERS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"),
        *("x-auth-token", "x-csrf-token", "sec-websocket-key", "sec-websocket-protocol"),
    }
)
"""Request headers whose values are never shown, since they may contain credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Rules for redacting texts that identify people.

    The rules are:

    * ``keep``: The text is not changed.
    * ``drop``: The text is replaced by null.
    * ``hash``: The text is replaced by the first 12 hexadecimal digits of a keyed BLAKE2 hash.
      Equal texts have equal hashes, and a text cannot be guessed without the key. Addresses are
      hashed without the port, so that all connections from one address have the same hash.
    * ``network``, for addresses only: The last number of an IPv4 address is replaced by 0. An IPv6
      address is replaced by its /48 network.

    By default, only the values of :data:`SECRET_HEADERS` are redacted.

    Args:
        addresses: rule for ``remote``, and for the addresses table.
        names: rule for ``name``, ``user`` and ``client_id``.
        reasons: rule for close reasons and the details of Events: ``keep`` or ``drop``.
        agents: rule for ``user_agent``.
        frames: rule for tracebacks and last frames, which may contain payload: ``keep`` or
            ``drop``.
        headers: names of further request headers whose values are redacted.
        key: key of the hash. Recordings with the same key have the same hashes.

    Raises:
        OptionError: a rule does not exist for its kind of text, or the key is too long.
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
        """Parse rules from a command-line option such as ``addresses=network,names=hash``.

        Args:
            text: ``kind=rule`` pairs, separated by commas.
            key: key of the hash.

        Raises:
            OptionError: the text is malformed, or names an unknown kind or rule.
        """
        rules: dict[str, Any] = {}
        for part in text.split(","):
            name, _, rule = (piece.strip() for piece in part.partition("="))
            if name not in _RULES or name in rules:
                known = ", ".join(_RULES)
                problem = "is given twice" if name in rules else f"is not one of {known}"
                raise OptionError(
                    f"{name!r} {problem}: write rules as in addresses=network,names=hash"
                )
            rules[name] = rule
        return cls(**rules, key=key)

    def connection(self, info: ConnectionInfo) -> ConnectionInfo:
        """Return a row of the connections table with its texts redacted."""
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
        """Return an Event with its texts redacted."""
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
        """Return a row of the addresses table with its address redacted.

        None if the rule for addresses is ``drop``, since the row would have no address.
        """
        if self.addresses == "keep":
            return info
        if self.addresses == "network":
            shown: str | None = _wider(info.address)
        else:
            shown = self._text(self.addresses, info.address)
        return None if shown is None else replace(info, address=shown)

    def request_headers(self, headers: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return a handshake's request headers, with secret values replaced by ``…``."""
        dropped = SECRET_HEADERS | {name.lower() for name in self.headers}
        return [(name, "…" if name.lower() in dropped else value) for name, value in headers]

    @property
    def keeps_all(self) -> bool:
        """True if all rules are ``keep``, so that only secret request headers are redacted."""
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
    """Return an IPv4 address with 0 as its last number, or the /48 network of an IPv6 address."""
    if ":" in host:
        first = host.partition("/")[0].split(":")
        return ":".join(part or "0" for part in first[:3]) + "::/48"
    return host.rpartition(".")[0] + ".0"


KEEP_ALL = Redaction()
"""The default rules: only the values of secret request headers are redacted."""
