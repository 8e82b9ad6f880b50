"""Secrets and signatures, compared as bytes in constant time."""

import hmac
from hashlib import sha256

from app.errors import Forged


def bearer(header: bytes | None, secret: str) -> None:
    """Checks `Authorization: Bearer <secret>`; the scheme's case is free, as RFC 9110 has it."""
    scheme, _, given = (header or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not equal(given, secret.encode()):
        raise Forged("Send the header Authorization: Bearer <secret> with the secret of this source.")


def equal(given: bytes, expected: bytes) -> bool:
    # An unset secret must never match an empty header.
    return bool(expected) and hmac.compare_digest(given, expected)


def hmac_hex(secret: str, message: bytes) -> bytes:
    return hmac.new(secret.encode(), message, sha256).hexdigest().encode()


def same_text(given: str, expected: str) -> bool:
    return equal(given.encode("utf-8", "surrogateescape"), expected.encode())
