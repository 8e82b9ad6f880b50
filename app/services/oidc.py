"""Signing in at an OpenID provider: authorization code with PKCE. What comes back is believed as far as an id_token
that the provider has signed for us, now, and for this very sign-in, says it."""

import asyncio
import json
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import jwt
import msgspec
import structlog
from msgspec import Struct

from app.errors import Away, Forbidden, Forged
from app.settings import Oidc as Config
from app.settings import safe
from app.store.people import ROLES, Guest, proper

log = structlog.get_logger()

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LEEWAY: Final = 30  # seconds that two clocks may differ
TIMEOUT: Final = 5.0  # seconds
BODY_MOST: Final = 256 * 1024  # bytes of an answer
KEPT: Final = 3600.0  # seconds that the provider's addresses and keys are believed
AGAIN: Final = 60.0  # seconds until its keys are asked for again because one is unknown

UNPROVEN: Final = "The sign-in could not be proven. Try again; if it stays so, tell whoever runs Orderboard here."
DOWN: Final = "The other sign-in does not answer. Try again in a moment, or sign in with a password."


class Found(Struct, frozen=True):
    """What the provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(Struct, frozen=True):
    id_token: str


class Oidc:
    """`home`: our own address that the provider sends people back to."""

    def __init__(self, config: Config, home: str, clock: Callable[[], float]) -> None:
        self._config = config
        self._home = home
        self._clock = clock
        self._lock = asyncio.Lock()
        self._tls = httpx2.create_ssl_context()  # once: it takes tens of milliseconds
        self._found: Found | None = None
        self._keys: list[jwt.PyJWK] = []
        self._found_at = self._keys_at = 0.0

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser that wants to sign in. Raises Away."""
        found = await self._provider()
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        said = {
            "response_type": "code", "client_id": self._config.client_id, "redirect_uri": self._home,
            "scope": self._config.scopes, "state": state, "nonce": nonce,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return found.authorization_endpoint + ("&" if "?" in found.authorization_endpoint else "?") + urlencode(said)

    async def proven(self, code: str, nonce: str, verifier: str) -> Guest:
        """Who came back with this code. Raises Forged where that is not proven, Forbidden where they may not come in,
        Away where the provider does not answer."""
        token = await self._redeem(code, verifier)
        try:
            claims = await self._checked(token, nonce)
        except jwt.PyJWTError as error:
            log.warning("an id_token was refused", why=type(error).__name__)
            raise Forged(UNPROVEN) from None
        return self._guest(claims)

    async def _redeem(self, code: str, verifier: str) -> str:
        found, config = await self._provider(), self._config
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._home, "code_verifier": verifier,
        }  # fmt: skip
        auth: tuple[str, str] | None = None
        if config.client_secret and "client_secret_basic" in found.token_endpoint_auth_methods_supported:
            auth = config.client_id, config.client_secret
        else:
            form |= {"client_id": config.client_id}
            form |= {"client_secret": config.client_secret} if config.client_secret else {}
        body = await self._fetch("POST", found.token_endpoint, form=form, auth=auth)
        try:
            return msgspec.json.decode(body, type=Tokens).id_token
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Forged(UNPROVEN) from None

    async def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        head = jwt.get_unverified_header(token)
        key = await self._key(head.get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=ALGORITHMS,
            audience=self._config.client_id,
            issuer=self._config.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "aud", "iss", "sub", "nonce"]},
        )
        if not compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise jwt.InvalidTokenError("nonce")
        if claims.get("azp", self._config.client_id) != self._config.client_id:
            raise jwt.InvalidTokenError("azp")
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and "azp" not in claims:
            raise jwt.InvalidTokenError("azp")
        return claims

    def _guest(self, claims: Mapping[str, Any]) -> Guest:
        config = self._config
        name = claims.get(config.name_claim)
        if not isinstance(name, str) or not proper(name.strip()):
            raise Forbidden(f"Your account there has no name that can be used here ({config.name_claim}).")
        said = claims.get(config.claim)
        values = said if isinstance(said, list) else [said]
        mine = [grant for grant in config.grants if grant.value in values]
        if not mine:
            raise Forbidden("Your account is known there, but nobody has let it into Orderboard. Ask whoever runs it.")
        role = max((grant.role for grant in mine), key=ROLES.index)
        stores = tuple(sorted({store for grant in mine for store in grant.stores}))
        return Guest(f"{config.issuer} {claims['sub']}", name.strip(), role, stores)

    # ---- what the provider says of itself ----

    async def _provider(self) -> Found:
        async with self._lock:
            if self._found is None or self._clock() >= self._found_at + KEPT:
                self._found, self._found_at = await self._find(), self._clock()
            return self._found

    async def _find(self) -> Found:
        body = await self._fetch("GET", self._config.issuer.rstrip("/") + "/.well-known/openid-configuration")
        try:
            found = msgspec.json.decode(body, type=Found)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Away(DOWN) from None
        if found.issuer != self._config.issuer:
            log.error("the OpenID provider calls itself otherwise", configured=self._config.issuer, says=found.issuer)
            raise Away(DOWN)
        if not all(safe(url) for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)):
            log.error("the OpenID provider has addresses without TLS")
            raise Away(DOWN)
        return found

    async def _key(self, name: str | None) -> jwt.PyJWK:
        """By its id; keys change, so an unknown one has them asked for again, but not for each forged token."""
        uri = (await self._provider()).jwks_uri
        async with self._lock:
            age = self._clock() - self._keys_at
            known = self._named(name)
            if not self._keys or age >= KEPT or (known is None and age >= AGAIN):
                self._keys, self._keys_at = _keys(await self._fetch("GET", uri)), self._clock()
                known = self._named(name)
        if known is None:
            raise jwt.InvalidKeyError("unknown key")
        return known

    def _named(self, name: str | None) -> jwt.PyJWK | None:
        if name is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == name), None)

    async def _fetch(
        self, method: str, url: str, form: Mapping[str, str] | None = None, auth: tuple[str, str] | None = None
    ) -> bytes:
        return await _fetched(self._tls, method, url, form, auth)


def _keys(body: bytes) -> list[jwt.PyJWK]:
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(body)).keys
    except (jwt.PyJWTError, ValueError, AttributeError, TypeError):
        raise Away(DOWN) from None
    return [key for key in found if key.public_key_use in (None, "sig") and key.key_type != "oct"]


async def _fetched(
    tls: ssl.SSLContext, method: str, url: str, form: Mapping[str, str] | None, auth: tuple[str, str] | None
) -> bytes:
    """An answer's body. Raises Forged where the provider refuses, Away where it fails."""
    body = b""
    try:
        async with (
            asyncio.timeout(2 * TIMEOUT),
            httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=False, verify=tls) as client,
            client.stream(method, url, data=form, auth=auth, headers={"Accept": "application/json"}) as answer,
        ):
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > BODY_MOST:
                    raise Away(DOWN)
    except (httpx2.HTTPError, OSError, TimeoutError) as error:
        log.warning("the OpenID provider is away", why=type(error).__name__)
        raise Away(DOWN) from None
    if method == "POST" and 400 <= answer.status_code < 500:
        log.warning("the OpenID provider refused a code", status=answer.status_code)
        raise Forged(UNPROVEN)
    if answer.status_code != 200:
        log.warning("the OpenID provider is away", status=answer.status_code)
        raise Away(DOWN)
    return body
