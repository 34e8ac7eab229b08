"""Authentication by JSON Web Tokens: ``JWT``, ``User``, ``Credentials``, without a socket."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import example, given
from hypothesis import strategies as st

from rtmon.errors import OptionError, ProtocolError
from rtmon.hub.admission.authentication import Credentials, User, bearer, seconds_left
from rtmon.hub.admission.jwt import JWT
from tests.hub.tokens import KEY, login, token

PRIVATE = ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    """Return a public key as PEM text."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


PUBLIC = pem(PRIVATE.public_key())
SMALL = pem(rsa.generate_private_key(65_537, 1_024).public_key())  # noqa: S505 - rtmon must refuse it


def refusal(auth: JWT, shown: str) -> str:
    """Return the error code with which ``auth`` refuses this token."""
    with pytest.raises(ProtocolError) as caught:
        auth(Credentials(token=shown))
    assert shown not in str(caught.value)
    # PyJWT's exception may quote the token, so it must not be logged as the cause.
    assert caught.value.__suppress_context__
    return caught.value.code


def forged(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    """Return a token with this header, these claims and this signature, without signing it."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()) for each in (header, claims)]
    return ".".join([*(part.decode().rstrip("=") for part in parts), signature])


def test_jwt_returns_user_with_id_name_permissions_and_expiry_of_the_token() -> None:
    """JWT authentication returns a user with the id, name, permissions and expiry that the token
    contains.
    """
    shown = token("u1", name="Ada", scope="read write", exp=2_000_000_000)
    user = login()(Credentials(token=shown))
    assert user is not None
    assert (user.id, user.name, user.shown) == ("u1", "Ada", "Ada")
    assert (user.permissions, user.expires) == ({"read", "write"}, 2_000_000_000)
    user = login(permissions="may", require=())(
        Credentials(token=token("u2", may=["a b"], exp=None))
    )
    assert user is not None
    assert (user.shown, user.permissions, user.expires) == ("u2", {"a b"}, None)
    assert login()(Credentials()) is None


def soon() -> int:
    """Return the Unix time in one hour, computed at the call because tests may run late."""
    return int(time.time()) + 3_600


REFUSED: dict[str, Callable[[], str]] = {
    "not yet valid": lambda: token(nbf=soon()),
    "issued in the future": lambda: token(iat=soon()),
    "without an expiry": lambda: token(exp=None),
    "with an infinite expiry": lambda: token(exp=1e400),
    "without a user id": lambda: token(sub=None),
    "with a number as user id": lambda: token(sub=7),
    "with a control character in the user id": lambda: token("a\nb"),
    "with a user id that is too long": lambda: token("a" * 129),
    "with a list as name": lambda: token(name=["x"]),
    "with an object as permissions": lambda: token(scope={"admin": True}),
    "for another audience": lambda: token(aud="elsewhere"),
    "signed with another key": lambda: token(key="another secret of more than 32 bytes"),
    "signed with another algorithm": lambda: token(key=KEY * 2, algorithm="HS512"),
    "unsigned": lambda: forged({"alg": "none"}, {"sub": "ada", "exp": soon()}),
    "unsigned, in capitals": lambda: forged({"alg": "NONE"}, {"sub": "ada", "exp": soon()}),
    "with its own key": lambda: forged(
        {"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}}, {"sub": "ada", "exp": soon()}, "AA"
    ),
    "with a critical extension": lambda: jwt.encode(
        {"sub": "ada", "exp": soon()}, KEY, headers={"crit": ["x"], "x": 1}
    ),
    "nested deep": lambda: "[" * 8_000,
    "empty parts": lambda: "..",
}


@pytest.mark.parametrize("what", REFUSED)
def test_jwt_refuses_an_invalid_token_without_quoting_it(what: str) -> None:
    """JWT authentication refuses an invalid token with ``invalid_token``, and does not quote it
    in the error.
    """
    assert refusal(login(), REFUSED[what]()) == "invalid_token"


def test_jwt_reports_token_expired_only_when_the_signature_is_valid() -> None:
    """JWT authentication refuses an expired token with ``token_expired``, but with
    ``invalid_token`` when its signature is wrong too.
    """
    assert refusal(login(), token(exp=int(time.time()) - 1)) == "token_expired"
    assert refusal(login(), token(exp=1, key="another secret of more than 32 bytes")) == (
        "invalid_token"
    )


@given(st.text() | st.binary().map(lambda noise: noise.decode("latin-1")))
@example("a.b.c")
@example("\ud800")
def test_jwt_refuses_any_text_with_a_protocol_error(noise: str) -> None:
    """JWT authentication raises ProtocolError ``invalid_token``, and nothing else, for any
    random text.
    """
    with pytest.raises(ProtocolError) as caught:
        login()(Credentials(token=noise))
    assert caught.value.code == "invalid_token"


def test_jwt_refuses_token_signed_with_the_public_key_as_secret() -> None:
    """JWT authentication accepts a token signed with the private key, and refuses a token whose
    HMAC uses the public key as secret (RFC 8725, 2.1).
    """
    auth = JWT(PUBLIC, algorithms=["ES256"])
    claims = {"sub": "ada", "exp": soon()}
    user = auth(Credentials(token=jwt.encode(claims, PRIVATE, algorithm="ES256")))
    assert user is not None
    whole = forged({"alg": "HS256", "typ": "JWT"}, claims).rstrip(".")
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = base64.urlsafe_b64encode(mac.sign(whole.encode(), PUBLIC.encode())).decode()
    assert refusal(auth, f"{whole}.{signature.rstrip('=')}") == "invalid_token"


def test_jwt_accepts_only_its_audience_and_issuer() -> None:
    """JWT authentication refuses tokens whose audience or issuer is missing or differs from the
    options.
    """
    auth = login(audience="chat", issuer="https://login.example")
    assert auth(Credentials(token=token(aud=["mail", "chat"], iss="https://login.example")))
    assert refusal(auth, token(aud="chat", iss="https://elsewhere.example")) == "invalid_token"
    assert refusal(auth, token(aud="chat")) == "invalid_token"
    assert refusal(auth, token(iss="https://login.example")) == "invalid_token"


def test_jwt_accepts_expired_token_within_the_leeway() -> None:
    """JWT authentication accepts a token that expired 10 s ago when ``leeway`` is 3,600 s, and sets
    the user's expiry to the token's expiry plus the leeway.
    """
    auth = JWT(KEY, algorithms=["HS256"], leeway=3_600)
    now = int(time.time())
    user = auth(Credentials(token=token(exp=now - 10)))
    assert user is not None
    assert user.expires == now + 3_590


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (KEY, ["none"]),
        (KEY, ["HS256", "none"]),
        (KEY, []),
        (KEY, "HS256"),
        (KEY, ["MD5"]),
        (PUBLIC, ["ES256", "HS256"]),
        (PUBLIC, ["HS256"]),
        (KEY, ["ES256"]),
        (SMALL, ["RS256"]),
        (SMALL, ["PS512"]),
        ("short", ["HS256"]),
        (KEY, ["HS512"]),
        (None, ["HS256"]),
        ("", ["HS256"]),
    ],
)
def test_jwt_rejects_unsafe_keys_and_algorithms_without_quoting_the_key(
    key: Any, algorithms: Any
) -> None:
    """JWT raises OptionError, without quoting the key, when the key is weak or missing or does
    not fit the algorithms.
    """
    with pytest.raises(OptionError) as caught:
        JWT(key, algorithms=algorithms)
    assert not key or str(key) not in str(caught.value)


def test_repr_hides_tokens_keys_headers_and_claims() -> None:
    """``repr()`` of Credentials, User and JWT contains no token, header, claim or key."""
    shown = Credentials(token="T" + "0KEN", headers={"cookie": "C00KIE"}, transport="sse")
    user = User(id="ada", claims={"card": "CL41M"})
    for text in map(repr, (shown, user, login())):
        for secret in ("T0KEN", "C00KIE", "CL41M", KEY):
            assert secret not in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "a\n"},
        {"id": "a", "name": ""},
        {"id": None},
        {"id": "a", "name": "\ud800"},
    ],
)
def test_user_raises_option_error_for_invalid_id_or_name(wrong: Any) -> None:
    """User raises OptionError when its id or name is empty, has a control character or is not
    valid Unicode.
    """
    with pytest.raises(OptionError):
        User(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"permissions": "rewrite"},
        {"permissions": ["a", 1]},
        {"permissions": None},
        {"expires": float("nan")},
        {"expires": "tomorrow"},
    ],
)
def test_user_raises_option_error_for_permissions_or_expiry_of_the_wrong_type(wrong: Any) -> None:
    """User raises OptionError when permissions are not a collection of texts or the expiry is
    not a number.
    """
    with pytest.raises(OptionError):
        User(id="ada", **wrong)


def test_user_with_infinite_expires_never_expires_or_has_expired() -> None:
    """User with ``expires`` infinity or 1e306 never expires, and a User with minus infinity has
    expired.
    """
    for expires in (float("inf"), 1e306):
        assert seconds_left(User(id="ada", expires=expires), 0.0) is None
    assert seconds_left(User(id="ada", expires=float("-inf")), 0.0) == 0.0
    assert User(id="ada", permissions=["a", "b"]).permissions == {"a", "b"}  # type: ignore[arg-type]


def test_bearer_token_is_found_in_any_letter_case_of_the_scheme() -> None:
    """Bearer token is read from the Authorization header in any letter case of ``Bearer``, but
    not with another scheme.
    """
    assert bearer([("Authorization", "bearer  abc ")])[0] == "abc"
    assert bearer([("AUTHORIZATION", "Basic abc")])[0] is None
    assert bearer([("authorization", "Bearer")])[0] is None
    found, headers = bearer([("authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert found == "a, Bearer b"
    assert headers == {"authorization": "Bearer a, Bearer b"}
    assert bearer([("Cookie", "x=1")]) == (None, {"cookie": "x=1"})
