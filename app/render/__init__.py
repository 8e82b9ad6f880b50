"""Orders → HTML. One template per thing, for the first paint and for every later push."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import quote

import jinja2
import msgspec
import segno
from jinja2.runtime import Context
from markupsafe import Markup
from msgspec import Struct

from app import trips
from app.orders import LANES, PICKUPS, Attention, Item, Order, attention, past, place, spell, still
from app.render import cards, lanes, ledger, local, screens, track, trip, way
from app.render.assets import EDITION, STATIC, TEMPLATES, Loader
from app.render.cards import MARKS, Where, card_id
from app.render.escape import install
from app.render.goods import line
from app.render.parts import PAGES_MOST, SPOT, Parts
from app.render.said import Drawn, View
from app.render.times import exact, lasting, since, today, zone_name
from app.render.tools import toolbox
from app.render.words import Words, fill, words
from app.settings import LANGUAGES, Store
from app.tiles import Tiles
from app.trips import Fix

__all__ = ["EDITION", "STATIC", "Card", "Feed", "Health", "Pane", "Renderer", "card_id"]

install()

TITLES: Final = (
    ("new", "New", "Nothing new."),
    ("picking", "Picking", "Nothing is being picked."),
    ("ready", "Ready", "Nothing waits on the shelf."),
    ("courier", "With courier", "Nothing is on its way."),
    ("done", "Done", "Nothing was handed over in the last hour."),
)
Face = Callable[[Order, Attention, Where], dict[str, Any]]
FORMS: Final[dict[str, tuple[str, Face]]] = {
    "waiting": ("arrive.html", cards.arrive),
    "needs": ("need.html", cards.need),
    "later": ("later.html", cards.later),
    "done": ("done.html", cards.done),
    "instore": ("walk.html", lanes.walk),
}
HEAD: Final = ("shape", "letter", "label", "path", "code", "name", "kind_words", "kind_icon")  # of a card
ROWS_MOST: Final = 8192
NOWHERE: Final = Store(id="-", name="Orderboard", timezone="UTC")


NO_TILES: Final = Tiles()


class Feed(Struct, frozen=True):
    """A source's order system: its name in the config and its name for people."""

    provider: str
    label: str


class Health(Struct, frozen=True):
    """A feed as a board shows it. `last`: its last event; `usual`: seconds between two; `state`: silent or down."""

    source: str
    last: float | None
    usual: float | None
    state: str = ""
    polled: bool = False


class Card(Struct, frozen=True):
    """One order on a board: its element's id, its lane, the key it sorts by, and its markup."""

    id: str
    lane: str
    key: str
    html: str


class Pane(Struct, frozen=True):
    """One way to show a store's orders: how each is drawn, and the inside of the page that shows them all."""

    name: str
    card: Callable[[Order, float, Attention | None], Card | None]
    inner: Callable[[Store, Iterable[Card]], str]


class Renderer:
    """`feeds` by source id, `stores` by id; `lang` is one of the languages there are words for. `tiles`: where browsers
    get the streets of maps."""

    def __init__(
        self,
        stores: Mapping[str, Store],
        *,
        feeds: Mapping[str, Feed],
        public_url: str,
        link_hours: int = 24,
        tiles: Tiles = NO_TILES,
    ) -> None:
        self._stores = stores
        self._tiles = tiles
        self._link_hours = link_hours
        self._feeds = feeds
        self._public = public_url
        self._env = jinja2.Environment(
            loader=Loader(TEMPLATES),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            undefined=jinja2.StrictUndefined,
        )
        self._forms = {lane: (self._env.get_template(name), face) for lane, (name, face) in FORMS.items()}
        self._wall = {
            name: self._env.get_template(f"{name}.html") for name in ("tv", "tvcard", "tvrow", "calls", "call")
        }
        self.panes = {
            "board": Pane("board", self.card, self.board),
            "screen": Pane("screen", self.screen_card, self.screen),
            "ready": Pane("ready", self.ready_card, self.ready),
        }
        self._card = (self._env.get_template("card.html"), lanes.card)
        self._live = self._env.get_template("live.html")
        self._order = self._env.get_template("order.html")
        self._trip = self._env.get_template("trip.html")
        self._way = self._env.get_template("way.html")
        self._item = self._env.get_template("item.html")
        # Most lines of an order stay as they are when it changes; drawing one anew costs ten times a look-up.
        self._row = lru_cache(ROWS_MOST)(self._draw_row)
        self._group = lru_cache(ROWS_MOST)(self._draw_group)
        self._goods = lru_cache(ROWS_MOST)(self._draw_goods)
        self._top = lru_cache(ROWS_MOST)(self._draw_top)
        self._drawn = {
            name: self._env.get_template(f"{name}.html") for name in ("hero", "when", "line", "goods", "group", "rest")
        }
        self._drawing = lru_cache(self._draws)
        self._pages: dict[tuple[str, str, str, bool], Parts] = {}
        for lang in LANGUAGES:  # a broken catalogue stops the start
            words(lang)

    def page(self, name: str, lang: str = "en", **values: object) -> str:
        """A page of its own: "login" (error, next), "stores" (stores, user, role), "error" (status, title, detail,
        again)."""
        return self._env.get_template(f"{name}.html").render(lang=lang, words=words(lang).page, **values)

    # ---- the board ----

    def board_page(
        self,
        store: Store,
        cards: Sequence[Card],
        *,
        user: str,
        role: str,
        position: str,
        now: float,
        live: str,
        feeds: Iterable[Health] = (),
        going: way.Going | None = None,
    ) -> str:
        """`live`: the path of the board's socket. `feeds`: those whose orders may come here. `going`: who is seen."""
        chips = self._chips(feeds, now)
        return self._env.get_template("board.html").render(
            lang="en", store=store, user=user, role=role, position=position, now=int(now), live=live,
            feeds=Markup(self._env.get_template("feeds.html").render(feeds=chips)), titles=TITLES,
            way=Markup(self.couriers(store, going or [], now)),
            inner=Markup(self.board(store, cards)), today=today(now, store.zone, "en"),
            zone=zone_name(store.zone, "en"), as_of=exact(now, store.zone), words=words("en").page,
            several=len(self._stores) > 1, **toolbox(chips),
        )  # fmt: skip

    def card(self, order: Order, now: float, seen: Attention | None = None) -> Card | None:
        """An order in the form that its lane needs; None where it has no place on a board. `seen`: what the rule said
        when it changed, where that is known."""
        seen = still(order, now, seen)
        lane, key = place(order, seen)
        if not lane or past(order, lane, now):
            return None
        store = self._stores.get(order.store or "", NOWHERE)
        template, face = self._forms.get(lane, self._card)
        shown = face(order, seen, Where(now, store.zone, lane, key, self._mark(order)))
        if template is self._card[0]:
            shown["head"] = self._top(*[shown[name] for name in HEAD])
        if shown.get("order"):
            shown.update(_acts(order, store))
        else:
            shown["hand"] = None
        return Card(shown["id"], lane, key, filled(template, shown))

    def _mark(self, order: Order) -> tuple[str, str, str]:
        feed = self._feeds.get(order.source)
        label = feed.label if feed is not None else order.provider
        return order.provider if order.provider in MARKS else "other", label[:1].upper(), label

    def mark(self, source: str) -> tuple[str, str, str]:
        """A source's shape and letter, and its order system's name."""
        known = self._feeds.get(source, Feed("other", source))
        return known.provider if known.provider in MARKS else "other", known.label[:1].upper(), known.label

    def board(self, store: Store, cards: Iterable[Card]) -> str:
        """The inside of the board's live region, the cards sorted by key."""
        return self._live.render(lanes=_sorted(cards, LANES), titles=TITLES)

    def feeds(self, feeds: Iterable[Health], now: float) -> str:
        """The chips of a board's feeds."""
        return self._env.get_template("feeds.html").render(feeds=self._chips(feeds, now))

    def _chips(self, feeds: Iterable[Health], now: float) -> list[dict[str, Any]]:
        rows = []
        for feed in feeds:
            known = self._feeds.get(feed.source, Feed(feed.source, feed.source))
            rows.append(
                {
                    "source": feed.source,
                    "state": feed.state,
                    "shape": known.provider if known.provider in MARKS else "other",
                    "letter": known.label[:1].upper(),
                    "label": known.label,
                    "last": int(feed.last or 0),
                    "clock": since(feed.last or now, now)[0],
                    "usual": spell(feed.usual) if feed.usual else "",
                    "polled": feed.polled,
                }
            )
        return rows

    def chips(self, inner: str) -> str:
        """Content that shows these chips."""
        return f'<hx-partial hx-target="#feeds" hx-swap="innerHTML">{inner}</hx-partial>'

    def couriers(self, store: Store, going: way.Going, now: float) -> str:
        """The inside of the map beside a board: everybody on the way for the store who was seen."""
        ids = [card_id(order.key) for order, _ in going]
        return filled(self._way, {**way.shown(store, going, ids, now), "tiles": self._tiles})

    def way(self, inner: str) -> str:
        """Content that shows it."""
        return f'<hx-partial hx-target="#way-in" hx-swap="innerMorph">{inner}</hx-partial>'

    def upsert(self, fragments: Iterable[str]) -> str:
        """Content that puts these cards where they belong."""
        return f'<hx-partial hx-target="#board" hx-swap="cards">{"".join(fragments)}</hx-partial>'

    def gone(self, ids: Iterable[str]) -> str:
        """Content that takes these cards off the board."""
        made = "".join(f'<i id="{name}"></i>' for name in ids)
        return f'<hx-partial hx-target="#board" hx-swap="gone">{made}</hx-partial>'

    def whole(self, inner: str) -> str:
        """Content that makes the board show exactly what `board` made."""
        return f'<hx-partial hx-target="#board" hx-swap="view">{inner}</hx-partial>'

    # ---- screens on the wall ----

    def screen_page(
        self,
        store: Store,
        made: Sequence[Card],
        *,
        pane: str,
        token: str,
        position: str,
        now: float,
        feeds: Iterable[Health] = (),
    ) -> str:
        told = self._hanging(store) if pane == "ready" else words("en")
        return self._env.get_template("screen.html").render(
            lang=told.lang, locale=told.tag.replace("_", "-"), words=told.page, store=store, pane=pane, token=token,
            position=position, now=int(now), inner=Markup(self.panes[pane].inner(store, made)),
            feeds=Markup(self.quiet(feeds, now)),
            as_of=local.exact(int(now), store.zone, told.tag) if pane == "ready" else exact(now, store.zone),
        )  # fmt: skip

    def _hanging(self, store: Store) -> Words:
        """The words of what customers see in the shop itself."""
        return words(store.language, store.timezone)

    def screen_card(self, order: Order, now: float, seen: Attention | None = None) -> Card | None:
        """An order on the staff's screen; None for what only the board shows."""
        seen = still(order, now, seen)
        lane, key = place(order, seen)
        if lane not in screens.SHOWN:
            return None
        form, face, home, before = screens.SHOWN[lane]
        lane, key = home or lane, before + key
        where = Where(now, self._stores.get(order.store or "", NOWHERE).zone, lane, key, self._mark(order))
        return self._hung(form, order, lane, key, face(order, seen, where))

    def ready_card(self, order: Order, now: float, seen: Attention | None = None) -> Card | None:
        """An order on the customers' screen; None unless somebody is to come for it."""
        called = screens.call(order, now, self._hanging(self._stores.get(order.store or "", NOWHERE)))
        return self._hung("call", order, *called) if called else None

    def _hung(self, form: str, order: Order, lane: str, key: str, shown: dict[str, Any]) -> Card:
        name = card_id(order.key)
        return Card(name, lane, key, filled(self._wall[form], {**shown, "id": name, "lane": lane, "key": key}))

    def screen(self, store: Store, cards: Iterable[Card]) -> str:
        titles = [title for title in TITLES if title[0] in ("picking", "ready", "courier")]
        return self._wall["tv"].render(
            lanes=_sorted(cards, ("now", "new", "picking", "ready", "courier")), titles=titles
        )

    def ready(self, store: Store, cards: Iterable[Card]) -> str:
        return self._wall["calls"].render(lanes=_sorted(cards, ("called", "soon")), words=self._hanging(store).page)

    def quiet(self, feeds: Iterable[Health], now: float) -> str:
        """The chips of those feeds that are not heard from."""
        return self.feeds([feed for feed in feeds if feed.state], now)

    # ---- the drawer beside the board ----

    def drawer(
        self,
        order: Order,
        now: float,
        *,
        base: str,
        lines: list[ledger.Line],
        calls: list[ledger.Call],
        links: list[ledger.Link],
    ) -> str:
        """Why an order's card says what it says. `base`: the path that its parts are asked for under."""
        zone = self._stores.get(order.store or "", NOWHERE).zone
        shape, letter, label = self._mark(order)
        return self._env.get_template("ledger.html").render(
            **ledger.told(order, attention(order, now), now, zone), id=card_id(order.key), base=base, url="", made="",
            shape=shape, letter=letter, label=label, events=ledger.events(order, lines, now, zone),
            steps=ledger.steps(order, now, zone), calls=ledger.calls(calls, zone),
            links=ledger.links(links, now, zone), qr="", rule=self._rule(order, now, zone),
            moves=ledger.moves(order, label),
        )  # fmt: skip

    def links(
        self, order: Order, links: list[ledger.Link], now: float, *, base: str, url: str = "", kind: str = ""
    ) -> str:
        """The drawer's links; `url`: one that was just made."""
        zone = self._stores.get(order.store or "", NOWHERE).zone
        return self._env.get_template("links.html").render(
            base=base, links=ledger.links(links, now, zone), url=url, qr=ledger.qr(url) if url else "",
            made=ledger.KIND_OF_LINK.get(kind, ""), rule=self._rule(order, now, zone),
        )  # fmt: skip

    def _rule(self, order: Order, now: float, zone: tzinfo) -> Markup:
        return ledger.rule(order, self._link_hours, now, zone)

    # ---- the customer's page ----

    def track_page(
        self,
        order: Order,
        now: float,
        *,
        token: str,
        audience: str = "track",
        lang: str = "en",
        position: str,
        bay: str = "",
        note: str = "",
        picked: bool = False,
        fixes: Sequence[Fix] = (),
    ) -> str:
        """`bay`: what the sign said that was scanned. `note`: what stood in the way of what was asked for. `picked`:
        the language was chosen on the page, so that its links keep it. `fixes`: where the shopper was lately, oldest
        first."""
        store = self._stores.get(order.store or "", NOWHERE)
        told = words(lang, store.timezone)
        return self._env.get_template("track.html").render(
            lang=lang, others=told.others, picked=picked, path=f"/t/{quote(token, safe='')}",
            locale=told.tag.replace("_", "-"), store=store, token=token, position=position, now=int(now),
            audience=audience,
            inner=Markup(self.track(order, now, audience=audience, lang=lang, bay=bay, fixes=fixes)),
            bay=bay, note=note,
            words=told.page, as_of=local.exact(int(now), store.zone, told.tag), zone=zone_name(store.zone, told.tag),
            leaves=store.id if order.fulfilment in PICKUPS else "",
            streets=trips.delivering(order) and audience != "delegate",
        )  # fmt: skip

    def track(
        self,
        order: Order,
        now: float,
        *,
        audience: str = "track",
        lang: str = "en",
        bay: str = "",
        fixes: Sequence[Fix] = (),
        seen: Attention | None = None,
    ) -> str:
        """The inside of the tracking page's live region. `audience` "delegate": no address, no prices, no map.
        `seen` as for `card`."""
        view = self._view(order, now, audience, lang, fixes, seen)
        said = bay if bay in view.store.bays else ""
        facts = None if said else track.around(order, view)
        before, between, after = view.parts.around(facts, lambda: self._drawn_around(order, view, said))
        pieces = before, track.promise(order, view), between, track.goods(order, view), after
        return "".join(pieces)  # a sum with Markup would escape

    def _drawn_around(self, order: Order, view: View, bay: str) -> str:
        shown = track.view(order, view, self._tiles)
        if shown["checkin"] is not None and bay:
            shown["checkin"].bay = bay
        return filled(self._order, {**shown, "words": view.words.page})

    def trip(self, order: Order, now: float, fixes: Sequence[Fix], *, audience: str = "track", lang: str = "en") -> str:
        """Content that renews what a tracking page says of somebody on the way, and nothing else of it."""
        view = self._view(order, now, audience, lang, fixes)
        if view.trip is None:
            return ""
        shown = track.view(order, view, self._tiles)
        return filled(self._trip, {**shown, "when": track.promise(order, view), "words": view.words.page})

    def _view(
        self,
        order: Order,
        now: float,
        audience: str,
        lang: str,
        fixes: Sequence[Fix],
        known: Attention | None = None,
    ) -> View:
        store = self._stores.get(order.store or "", NOWHERE)
        told, whole = words(lang, store.timezone), audience != "delegate"
        parts = self._parts(order, told, whole)
        going = trips.trip(order, fixes, trip.place(store), now) if trips.delivering(order) else None
        if going is not None and not whole:
            going = trip.masked(going)
        state = still(order, now, known)
        return View(now, store.zone, told, store, whole, self._drawing(told), parts, self._link_hours, state, going)

    def _draws(self, told: Words) -> Drawn:
        goods = partial(self._goods, told)
        return Drawn(partial(self._draw_part, told), partial(self._row, told), self._group, goods)

    def _parts(self, order: Order, told: Words, whole: bool) -> Parts:
        """What is remembered of an order's page."""
        name = order.source, order.ref, told.tag, whole
        known = self._pages.get(name)
        if known is None:
            known = self._pages[name] = Parts()
            if len(self._pages) > PAGES_MOST:
                del self._pages[next(iter(self._pages))]
        return known

    def forget(self, key: str) -> None:
        """Nothing that was drawn of this order is kept. The pieces of cards and lists name no order: all of them go."""
        for name in [name for name in self._pages if f"{name[0]}:{name[1]}" == key]:
            del self._pages[name]
        for pieces in (self._row, self._group, self._goods, self._top):
            pieces.cache_clear()

    def _draw_part(self, told: Words, name: str, values: dict[str, Any]) -> Markup:
        return Markup(filled(self._drawn[name], {**values, "words": told.page}))

    def _draw_row(self, told: Words, item: Item) -> Markup:
        qty, name, aside, swaps = line(item, told)
        return Markup(self._item.render(qty=qty, name=name, aside=aside, swaps=swaps))

    def _draw_top(self, *said: str) -> Markup:
        return Markup(self._env.get_template("head.html").render(zip(HEAD, said, strict=True)))

    def _draw_group(self, state: str, wide: bool, heading: str, icon: str, many: int) -> list[str]:
        values = {"state": state, "wide": wide, "heading": heading, "icon": icon, "many": many, "rows": SPOT}
        return filled(self._drawn["group"], values).split(SPOT)

    def _draw_goods(self, told: Words, done: int, lines: int, bar: lanes.Bar | None) -> list[str]:
        count = lines if bar is None else told.say("done_of", done=str(done), lines=str(lines))
        values = {"count": count, "bar": bar, "groups": SPOT, "words": told.page}
        return filled(self._drawn["goods"], values).split(SPOT)

    def told(self, text: str, lang: str) -> str:
        """A marked text of anywhere in a language; one that is not comes back as it is."""
        return words(lang).told(text)

    def ended_page(self, lang: str) -> str:
        """For every link that opens nothing: unknown, expired and revoked look the same, to the byte."""
        told = words(lang)
        lead = told.page.gone_lead.format(long=lasting(self._link_hours, told.tag))
        return self._env.get_template("ended.html").render(
            lang=lang, others=told.others, words=told.page, lead=lead, path="", bay=""
        )

    def someone_page(
        self,
        order: Order,
        now: float,
        *,
        token: str,
        links: Sequence[tuple[str, str, float]],
        full: bool,
        note: str,
        lang: str,
        picked: bool = False,
    ) -> str:
        """Where a customer makes links for someone else. `links`: the id, address and making of each that lives."""
        store = self._stores.get(order.store or "", NOWHERE)
        told = words(lang, store.timezone)
        rows = [
            (name, url, fill(told.page.else_made, {"at": local.stamp(made, now, store.zone, told.tag)}), ledger.qr(url))
            for name, url, made in links
        ]
        return self._env.get_template("someone.html").render(
            lang=lang, picked=picked, others=told.others, path="", bay="", words=told.page, store=store,
            code=order.code or "",
            token=token, links=rows, full=full, note=note,
            text=told.page.else_text.format(store=store.name),
        )  # fmt: skip

    def sheet_page(self, store: Store, bay: str) -> str:
        """A bay's sign to print, in the store's language."""
        url = f"{self._public}/c/{quote(store.id, safe='')}/{quote(bay, safe='')}"
        return self._env.get_template("sheet.html").render(
            lang=store.language, words=self._hanging(store).page, store=store, bay=bay, url=url, qr=Markup(drawn(url))
        )

    def sign_page(self, store: Store, bay: str, *, lang: str = "en", wrong: str = "", code: str = "") -> str:
        """What a phone sees that scanned a bay's sign. `wrong`: the name of what to say of the last try."""
        told = words(lang)
        return self._env.get_template("sign.html").render(
            lang=lang, others=told.others, words=told.page, store=store, bay=bay, code=code,
            path=f"/c/{quote(store.id, safe='')}/{quote(bay, safe='')}",
            wrong=getattr(told.page, wrong) if wrong else "",
        )  # fmt: skip

    def whole_track(self, inner: str) -> str:
        return f'<hx-partial hx-target="#track" hx-swap="innerMorph">{inner}</hx-partial>'


def filled(template: jinja2.Template, values: dict[str, Any]) -> str:
    """As `template.render`, without Jinja's globals: to copy them in costs a quarter of a card; no push uses one."""
    context = Context(template.environment, values, template.name, template.blocks)
    return "".join(template.root_render_func(context))


def drawn(url: str) -> str:
    """A QR code as an SVG of plain attributes, dark on light whatever the page's colours."""
    code = segno.make(url, error="q", micro=False)
    return str(code.svg_inline(border=3, omitsize=True, svgclass="qr", lineclass=None, dark="#000", light="#fff"))


def _sorted(cards: Iterable[Card], names: Iterable[str]) -> dict[str, Markup]:
    """The markup of each lane's cards, in their order."""
    lanes: dict[str, list[str]] = {lane: [] for lane in names}
    for card in sorted(cards, key=lambda card: (card.key, card.id)):
        lanes[card.lane].append(card.html)
    return {lane: Markup("\n".join(made)) for lane, made in lanes.items()}


def _acts(order: Order, store: Store) -> dict[str, str]:
    """What the buttons send, as JSON: htmx evaluates nothing that begins with a brace."""
    made = {"post": f"/board/{store.id}/arrival"}
    for name, state in (("claim", "claimed"), ("lost", "cannot_find"), ("hand", "handed_over")):
        made[name] = msgspec.json.encode({"key": order.key, "state": state}).decode()
    return made
