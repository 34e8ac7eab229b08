"""JSON Web Tokens for tests, and the authentication that accepts them."""

from __future__ import annotations

import time
from typing import Any

import jwt

from rtmon.hub import JWT

KEY = "a secret of more than thirty-two bytes"


def token(user: str = "ada", *, key: str = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    """Return a signed token that is valid for ten minutes; a claim of None is omitted."""
    whole: dict[str, Any] = {"sub": user, "exp": int(time.time()) + 600, **claims}
    held = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(held, key, algorithm=algorithm)


def login(**options: Any) -> JWT:
    """Return a ``JWT`` authentication that accepts tokens of :func:`token`."""
    return JWT(KEY, algorithms=["HS256"], leeway=0, **options)
