"""A small OpenID provider: real HTTP on loopback, real RSA keys, one client. It can be told to misbehave."""

import contextlib
import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT, SECRET = "orderboard", "the client's secret"


class Provider:
    """`person`: the claims of whoever signs in. `claims`, `head`: laid over what would be said. `forge` takes the
    claims to a token of its own making. `down`: paths that fail."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.person: dict[str, Any] = {"sub": "s1", "preferred_username": "ines", "groups": ["shop-68"]}
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.forge: Any = None
        self.deny = ""
        self.down: set[str] = set()
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.turn()

    def turn(self) -> None:
        """New keys."""
        self.kid = secrets.token_hex(4)
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def found(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token",
            "jwks_uri": self.issuer + "/jwks",
            **self.metadata,
        }

    def jwks(self) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to: whoever comes here is signed in."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        code = secrets.token_urlsafe(12)
        self._codes[code] = query
        said = {"error": self.deny} if self.deny else {"code": code}
        return query["redirect_uri"] + "?" + urlencode({**said, "state": query["state"], "iss": self.issuer})

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """None where it is refused: another client, a code used before, a verifier that does not fit."""
        scheme, _, given = authorization.partition(" ")
        query = self._codes.pop(form.get("code", ""), None)
        challenge = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if (
            query is None
            or scheme != "Basic"
            or b64decode(given).decode() != f"{CLIENT}:{SECRET}"
            or query["code_challenge"] != challenge
            or query["redirect_uri"] != form["redirect_uri"]
        ):
            return None
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": query["nonce"]}
        return {"id_token": self.signed({**claims, **self.person, **self.claims}), "token_type": "Bearer"}

    def signed(self, claims: dict[str, Any]) -> str:
        if self.forge is not None:
            return str(self.forge(claims))
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(said, self.key, "RS256", headers={"kid": self.kid})


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if self._noted(parts.path):
            return
        if parts.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._answer(302, {}, {"Location": self.provider.authorize(query)})
        elif parts.path == "/jwks":
            self._answer(200, self.provider.jwks())
        else:
            self._answer(200, self.provider.found())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self._noted(self.path):
            return
        form = {name: values[0] for name, values in parse_qs(body).items()}
        said = self.provider.token(form, self.headers.get("Authorization", ""))
        self._answer(400 if said is None else 200, said or {"error": "invalid_grant"})

    def _noted(self, path: str) -> bool:
        self.provider.asked.append(path)
        if path in self.provider.down:
            self._answer(503, {})
        return path in self.provider.down

    def _answer(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serving() -> Iterator[Provider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(server.server_port)
    server.RequestHandlerClass = type("Mine", (Handler,), {"provider": provider})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()
