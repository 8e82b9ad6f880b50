"""Who did what, the newest first."""

import re
from typing import Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from app.errors import Invalid
from app.render import admin
from app.store.audit import Deed
from app.web.admin.links import board_of
from app.web.desk import Call, frame, keeper, shown, stores_of, zone_of
from app.web.site import Site

PATH: Final = "/admin/audit"
PAGE: Final = 50
CURSOR: Final = re.compile(r"\d{1,15}-\d{1,15}")
OTHERS: Final = ("api", "command line")


@get(PATH)
async def page(
    request: Call,
    site: NamedDependency[Site],
    store: FromQuery[str] = "",
    who: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    user = await keeper(site, request, "admin")
    if cursor and not CURSOR.fullmatch(cursor):
        raise Invalid("cursor must be one that a page has named.")
    found, after = await site.audit.page(stores=[store] if store else None, who=who or None, cursor=cursor, count=PAGE)
    body = site.render.page(
        "admin/audit",
        **frame(site, user, "audit"),
        rows=await _rows(site, found, zone_of(site, user)),
        stores=stores_of(site, user),
        people=[*(one.name for one in await site.people.all()), *OTHERS],
        wanted_store=store,
        wanted_who=who,
        newer=_here(store, who, "") if cursor else "",
        older=_here(store, who, after) if after else "",
    )
    return shown(body)


def _here(store: str, who: str, cursor: str) -> str:
    given = {"store": store, "who": who, "cursor": cursor}
    return PATH + "?" + urlencode({name: value for name, value in given.items() if value})


async def _rows(site: Site, found: list[Deed], zone: admin.Zone) -> list[admin.Row]:
    """Orders by the code that people know, while they are kept."""
    keys = {key for deed in found if (key := admin.order_of(deed.what, deed.about))}
    records = await site.orders.read(keys)
    orders = {
        key: (record.order.code or record.order.ref[-6:], board_of(record.order)) for key, record in records.items()
    }
    names = {store.id: store.name for store in site.settings.stores.values()}
    deeds = [
        admin.Deed(deed.at, deed.who, deed.what, names.get(deed.store, deed.store), deed.about, deed.via, deed.detail)
        for deed in found
    ]
    return admin.deeds(deeds, orders, site.clock(), zone)


HANDLERS: Final = (page,)
