"""The signs at the bays: a sheet to print, and what a phone sees that has scanned it. Who has no tracking link there
names the order's code and the end of the phone number; the answer tells nothing but the order that has both."""

from typing import Annotated, Any, Final
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from app.errors import Unknown
from app.orders import PICKUPS, Order
from app.providers.signing import same_text
from app.render.tongue import _
from app.settings import Store
from app.web.guesses import network
from app.web.site import PRIVATE, SECRET, Site
from app.web.tongue import Tongue, tongue

Call = Request[Any, Any, Any]
Form = dict[str, str]

TRIES: Final = 5  # from one place, in WINDOW seconds
WINDOW: Final = 60
TRIES_CODE: Final = 30  # wrong ones at one code, from everywhere, in WINDOW_CODE: four digits don't stand more
WINDOW_CODE: Final = 3600
CODE_MOST: Final = 64
DIGITS: Final = 4


def standing(site: Site, store: str, bay: str) -> Store:
    known = site.settings.stores.get(store)
    if known is None or bay not in known.bays:
        raise Unknown(_("There is no such bay. Ask in the shop."))
    return known


@get("/c/{store:str}/{bay:str}")
async def sign(request: Call, site: NamedDependency[Site], store: FromPath[str], bay: FromPath[str]) -> Response[str]:
    home = standing(site, store, bay)
    if "print" in request.query_params:
        return Response(site.render.sheet_page(home, bay), media_type="text/html", headers=dict(PRIVATE))
    return _page(site, home, bay, tongue(request))


@post("/c/{store:str}/{bay:str}", status_code=303)
async def seek(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    bay: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    site.guard(request)
    home = standing(site, store, bay)
    peer = network(request.client.host) if request.client else ""
    spoken = tongue(request)
    code = data.get("code", "").strip()[:CODE_MOST]
    guessed = f"sign {store} {code.lower()}"
    often = await site.people.tried(guessed) >= TRIES_CODE
    if not await site.people.tries(f"sign {peer}", TRIES, WINDOW) or often:
        return _page(site, home, bay, spoken, code=code, wrong="sign_many", status=429)
    order = await meant(site, store, code, data.get("digits", "").strip())
    if order is None:
        await site.people.tries(guessed, TRIES_CODE, WINDOW_CODE)
        return _page(site, home, bay, spoken, code=code, wrong="sign_wrong", status=404)
    # Four digits are a weak proof: what they open shows no address and no price.
    _, token = await site.links.make(order.key, "delegate", site.clock(), store)
    to = spoken.kept(f"/t/{token}?bay={quote(bay, safe='')}")
    return Redirect(to, status_code=303, headers={**PRIVATE, **SECRET})


async def meant(site: Site, store: str, code: str, digits: str) -> Order | None:
    """The one open order of the store with this code and the end of this phone number."""
    keys = await site.orders.coded(code) & await site.orders.standing(store)
    found = [record.order for record in (await site.orders.read(sorted(keys))).values()]
    fitting = [order for order in found if order.fulfilment in PICKUPS and fits(order, digits)]
    return fitting[0] if len(fitting) == 1 else None


def fits(order: Order, digits: str) -> bool:
    phone = (order.customer.phone or "") if order.customer else ""
    known = "".join(letter for letter in phone if letter in "0123456789")[-DIGITS:]
    return len(known) == DIGITS == len(digits) and same_text(known, digits)


def _page(
    site: Site, store: Store, bay: str, spoken: Tongue, *, code: str = "", wrong: str = "", status: int = 200
) -> Response[str]:
    page = site.render.sign_page(store, bay, lang=spoken.lang, wrong=wrong, code=code)
    return Response(page, status_code=status, media_type="text/html", headers={**PRIVATE, **spoken.headers})


HANDLERS: Final = (sign, seek)
