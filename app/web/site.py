"""What every handler may need, built once by `main`; and who is asking."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from litestar.connection import ASGIConnection
from msgspec import Struct, field

from app.errors import Forbidden, Forged, Unknown
from app.hub import Hub
from app.intake import Intake
from app.providers.contract import Provider
from app.providers.signing import same_text
from app.relay import Relay
from app.render import Renderer
from app.render.tongue import _
from app.settings import Settings, Store
from app.store.audit import Audit
from app.store.days import Days
from app.store.feeds import Feeds
from app.store.follows import Follows
from app.store.links import Links
from app.store.orders import Orders
from app.store.outbox import Outbox
from app.store.pending import Pending
from app.store.people import Guest, People, Session, User
from app.store.positions import Positions
from app.store.quarantine import Kept, Quarantine
from app.store.screens import Screens
from app.store.tokens import Tokens
from app.web.guesses import Guesses

Connection = ASGIConnection[Any, Any, Any, Any]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: under that a browser says "null" for the origin of our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(self)",
}
SECRET: Final = {"Referrer-Policy": "no-referrer"}  # the address itself is the key
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}


class SignIn(Forged):
    """Nobody is signed in: a page sends them to /login, a script of ours is told 401."""

    title = "Nobody is signed in"


class Sso(Struct, frozen=True):
    """Signing in elsewhere. `address(state, nonce, verifier)`: where to send the browser; `proven(code, nonce,
    verifier)`: who came back."""

    label: str
    issuer: str
    address: Callable[[str, str, str], Awaitable[str]]
    proven: Callable[[str, str, str], Awaitable[Guest]]


class Site(Struct, frozen=True, kw_only=True):
    settings: Settings
    providers: Mapping[str, Provider]
    orders: Orders
    links: Links
    screens: Screens
    people: People
    tokens: Tokens
    audit: Audit
    pending: Pending
    sso: Sso | None
    quarantine: Quarantine
    intake: Intake
    relay: Relay
    hub: Hub
    render: Renderer
    clock: Callable[[], float]
    follows: Follows
    outbox: Outbox
    feeds: Feeds
    days: Days
    positions: Positions
    replay: Callable[[Kept], Awaitable[str | None]]  # None where it worked, else what stands in its way
    guesses: Guesses = field(default_factory=Guesses)
    stirred: Callable[[str], None]  # an order's key: should it be followed, this node polls it at once

    @property
    def mapped(self) -> dict[str, str]:
        """Headers of a page that shows a map: it may load pictures from the one host of the tiles, if there is one."""
        origin = self.settings.tiles.origin
        return {"Content-Security-Policy": POLICY.replace("data:", f"data: {origin}", 1)} if origin else {}

    @property
    def cookie(self) -> str:
        return "__Host-orderboard" if self.settings.server.secure else "orderboard"

    @property
    def known_cookie(self) -> str:
        """Says no more than that somebody has signed in with this browser before."""
        return self.cookie + "-known"

    def store(self, name: str) -> Store:
        store = self.settings.stores.get(name)
        if store is None:
            raise Unknown("There is no such store.")
        return store

    async def staff(self, connection: Connection) -> tuple[Session, User]:
        """Who is signed in. Raises SignIn where nobody is."""
        secret = connection.cookies.get(self.cookie)
        found = await self.people.session(secret) if secret else None
        if found is None:
            raise SignIn("Sign in first.")
        return found

    async def program(self, connection: Connection) -> str:
        """The id of the API token of a call, empty for the config's. Raises Forged where it is none."""
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        found = await self.known(given) if scheme.lower() == "bearer" and given else None
        if found is None:
            raise Forged("Send the header Authorization: Bearer <API token>.")
        return found

    async def known(self, secret: str) -> str | None:
        boot = self.settings.server.api_token
        if boot and same_text(secret, boot):
            return ""
        token = await self.tokens.find(secret)
        return None if token is None else token.id

    def ours(self, connection: Connection, *, keyed: bool = False) -> bool:
        """Does a request or socket come from our own pages? By its Origin, and by what the browser says of its site.
        `keyed`: its address holds a key, so that its page sends no referrer, and a form of it the origin "null"."""
        site = connection.headers.get("sec-fetch-site")
        if site not in (None, "same-origin", "none"):
            return False
        origin = connection.headers.get("origin")
        if origin in (None, "null"):  # a form of a page that sends no referrer has the origin "null"
            return origin is None or keyed or site == "same-origin"
        host = connection.headers.get("host", "")
        return origin in (self.settings.server.public_url, f"http://{host}", f"https://{host}")

    def guard(self, connection: Connection, *, keyed: bool = False) -> None:
        """Nothing on a page changes by another site's doing."""
        if not self.ours(connection, keyed=keyed):
            raise Forbidden(
                _("This came from another site. Open Orderboard itself; behind a proxy, set server.public_url.")
            )
