"""Every word a customer reads, in one place: `_`, `p_` and `n_` mark a text, `Words` holds one language's.

`{name}` is filled in, escaped; `<b>` is ours. A text is a whole sentence or label, never a part of one; `{when}` stands
for "at 14:05" or "on Sun, 22 Nov at 14:05" as a whole. A new text needs its translations: `make words`.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import Final

from markupsafe import Markup

from app.render.escape import escaped
from app.render.local import number
from app.render.tongue import Plural, _, called, catalogue, n_, p_, tell, written
from app.settings import LANGUAGES

PAGE: Final[dict[str, str]] = {
    "live": p_("up to date", "Live"),
    "catching_up": _("Catching up"),
    "offline": _("Offline"),
    "ended": p_("no longer up to date, ever", "Ended"),
    "as_of": _("as of"),
    "when": _("When"),
    "steps": _("Steps"),
    "your_items": _("Your items"),
    "help": _("Something wrong?"),
    "call": _("Call {phone}"),
    "happened": _("What happened"),
    "map_shop": p_("on a map", "Shop"),
    "map_door": p_("on a map", "Your door"),
    "map_courier": p_("on a map", "Courier"),
    "map_order": p_("begins a sentence", "Your order"),
    "map_north": p_("the letter for north on a map", "N"),
    "map_in": _("Zoom in"),
    "map_out": _("Zoom out"),
    "map_streets": _("Show streets"),
    "privacy_map": _(
        "This page needs no account, sets no cookie and asks nobody else for anything but the streets of the map, "
        "while your order is on its way."
    ),
    "privacy": _("This page needs no account, sets no cookie and asks nobody else for anything."),
    "ends_later": _("It ends {long} after you have your order."),
    "ends_at": _("It forgets your details {when}."),
    "times": _("Times are {zone}."),
    "noscript": _("This page renews itself every 30 seconds."),
    "now": p_("the begin of an axis of time", "now"),
    "wait": _("Your wait"),
    "same_clock": _("the shop sees this same clock"),
    "goal": _("We aim for 2 minutes. At 5 the whole shop is called."),
    "door": _("At the door"),
    "to": p_("where an order is brought", "To"),
    "totals": _("Your order"),
    "code": _("Code"),
    "code_hint": _("Say it at the door, to nobody else"),
    "bags": _("Bags"),
    "total": _("Total"),
    "note": _("Note"),
    "left_at": _("Leave at"),
    "careful": _("At handover"),
    "unattended": _("May be left without you"),
    "alcoholic": _("An adult must take it"),
    "certified": _("A signature is needed"),
    "gone_title": _("This link has ended."),
    "gone_kept": _("Nothing is kept here"),
    "gone_lead": _(
        "Tracking links stop {long} after an order is handed over, and show nothing from then on. "
        "A mistyped link looks the same."
    ),
    "revoked": _("This link has ended. This page shows nothing of the order any more."),
    "bay_ask": _("Which bay are you in?"),
    "bay_none": _("no bay"),
    "car": _("Your car"),
    "car_hint": _("Colour and plate, so that we find you"),
    "on_my_way": _("I’m on my way"),
    "here": _("I’m here"),
    "on_my_way_hint": _("Tell us when you set out, or once you are here."),
    "here_hint": _("Or scan the sign at the bay. It fills in the number."),
    "here_later": _("In a minute you can tell us here that you have come."),
    "bay_other": _("In another bay now?"),
    "bay_move": _("Tell the shop"),
    "where": _("Where are you?"),
    "where_hint": _("Your car, and what it stands next to"),
    "unsent": _("Not sent yet. We keep trying."),
    "sending": _("Sending…"),
    "sign_here": _("Here for your order?"),
    "sign_scan": _("Scan this. It tells us you are in bay {bay}, and we bring it out."),
    "sign_ask": _("Your tracking link is not on this phone. Your code and phone number find your order too."),
    "sign_code": _("Order code"),
    "sign_code_hint": _("As in your tracking link or message, like G31"),
    "sign_digits": _("Last 4 digits of your phone number"),
    "sign_go": _("Find my order"),
    "sign_wrong": _("We could not find an open order with these. Check both, or call the shop."),
    "sign_many": _("That was tried too often. Wait a minute, or call the shop."),
    "sign_print": _("Print this sign"),
    "bay": _("Bay"),
    "language": _("Language"),
    "wall_ready": _("Ready"),
    "wall_nothing": _("Nothing is ready yet."),
    "wall_soon": _("Almost there"),
    "wall_idle": _("Nothing is being packed."),
    "wall_about": _("about {count} min"),
    "wall_moment": _("any moment"),
    "wall_more": _("+{count} more"),
    "wall_counter": _("Show your code or your phone at the counter."),
    "wall_ended": _("This screen has ended."),
    "wall_renew": _("Nothing here is live any more. Whoever runs Orderboard here can make a new address for it."),
    "wall_script": _("This screen needs JavaScript. Without it nothing here is live."),
    "again_helps": _("Trying again in a moment may help."),
    "again_wont": _("Trying the same again won’t help."),
    "start": _("To the start page"),
    "polled": _("Every 15 s"),
    "else_ask": _("Someone else is collecting"),
    "else_title": _("Someone else is collecting?"),
    "else_lead": _(
        "Make them a link of their own. It shows what is ready and lets them check in. It shows no address and no "
        "prices, and it makes no further links."
    ),
    "else_make": _("Make a link for them"),
    "else_again": _("Make another link"),
    "else_full": _("There are as many links as there can be. End one to make another."),
    "else_link": _("Link for someone else"),
    "else_made": _("Made {at}. It ends with your own."),
    "else_scan": _("Let them scan it"),
    "else_end": _("End this link"),
    "else_text": _("Please collect my order from {store}:"),
    "share": _("Share"),
    "copy": _("Copy"),
    "copied": _("Copied"),
    "back": _("Back to your order"),
    "pickup": _("How to collect it"),
    "near_ask": _("Tell the shop how near I am"),
    "near_hint": _("Your phone asks you first. It tells us “near” or “far”, never where you are."),
    "near_near": _("We tell the shop: near."),
    "near_far": _("We tell the shop: not near yet. You can check in all the same."),
    "near_none": _("Your phone can’t tell. Nothing is sent, and you can check in all the same."),
    "forgotten": _("The courier, the map and the address are no longer shown here."),
    "forgotten_pickup": _("Your car and bay are no longer shown here."),
}

KINDS: Final[dict[str, tuple[str, str]]] = {
    "delivery": ("bike", _("Delivery")),
    "last_mile": ("bike", _("Delivery")),
    "curbside": ("car-front", _("Curbside")),
    "pickup": ("shopping-bag", _("Pickup")),
    "kiosk": ("shopping-bag", _("Pickup at the kiosk")),
    "in_store": ("shopping-basket", _("In store")),
}

# The line of steps: the rank each begins at, and its word.
STEPS: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    "delivery": (
        (0, _("Received")), (40, _("Picking")), (50, _("Packed")), (80, _("On its way")), (90, p_("step", "Yours")),
    ),
    "pickup": (
        (0, _("Received")), (40, _("Packing")), (65, _("Ready")), (75, p_("step", "Here")), (90, p_("step", "Yours")),
    ),
    "in_store": ((0, _("In the shop")), (50, p_("step", "Left")), (90, p_("step", "Receipt"))),
}  # fmt: skip

BAD: Final[dict[str, str]] = {
    "canceled": _("Cancelled"),
    "rejected": _("Not accepted"),
    "failed": _("Did not go through"),
    "returned": _("Went back"),
}

# Headline and lead by stage. `pickup:` and `delivery:` go before the plain stage, `~flag` after it before the stage
# alone (`~`: there is no code), `+` where a shopper is known, `@` where it is known when.
SAID: Final[dict[str, tuple[str, str]]] = {
    "cart": (_("Your order is not placed yet."), _("Finish it where you began it.")),
    "cart~payment_entered": (
        _("Your payment is being confirmed."),
        _("The shop gets your order next. Nothing for you to do."),
    ),
    "in_store:cart": (_("You are in the shop."), _("Take what you like and walk out. Your receipt comes here.")),
    "placed": (_("We’ve got your order."), _("The shop will confirm it next. Nothing for you to do.")),
    "confirmed": (_("Your order is confirmed."), _("Picking has not begun yet. Nothing for you to do.")),
    "assigned": (_("Your order has a shopper."), _("Picking has not begun yet. Nothing for you to do.")),
    "assigned+": (_("We’ve got your order."), _("<b>{who}</b> will shop it for you. Nothing for you to do.")),
    "placed~rescheduled": (_("Your order has a new time."), _("The shop will confirm it next. Nothing for you to do.")),
    "confirmed~rescheduled": (_("Your order has a new time."), _("Picking has not begun yet. Nothing for you to do.")),
    "assigned~rescheduled": (_("Your order has a new time."), _("Picking has not begun yet. Nothing for you to do.")),
    "last_mile:confirmed": (_("Your order is confirmed."), _("A courier is found for it next. Nothing for you to do.")),
    "last_mile:assigned": (_("A courier will bring your order."), _("They fetch it from the shop next.")),
    "pickup:preparing": (_("We are packing your order."), _("Once it is ready, you can check in here.")),
    "preparing": (_("We are picking your items."), _("Next, we pack it and a courier brings it to you.")),
    "preparing+": (_("{who} is picking your items."), _("Next, it is packed and brought to you.")),
    "reviewing": (_("We are settling the last items."), _("Some of what you asked for has to be replaced.")),
    "reviewing+": (
        _("{who} is settling the last items."),
        _("Some of what you asked for has to be replaced."),
    ),
    "pickup:picked": (_("Your items are picked."), _("They are being packed for you.")),
    "picked": (_("Your items are picked."), _("They are being packed, then a courier brings them to you.")),
    "pickup:staged": (_("Your order is packed."), _("It is almost ready for you.")),
    "staged": (_("Your order is packed."), _("It waits for a courier.")),
    "staged~courier_assigned": (_("Your order is packed."), _("A courier is on the way to the shop.")),
    "curbside:ready": (
        _("Your order is ready."),
        _("Stay in the car when you come, and tell us your code <b>{code}</b>."),
    ),
    "curbside:ready~": (
        _("Your order is ready."),
        _("Stay in the car when you come, and tell us here that you have come."),
    ),
    "pickup:ready~": (_("Your order is ready."), _("Come in when it suits you and give your name.")),
    "pickup:ready": (_("Your order is ready."), _("Come in when it suits you and give your code <b>{code}</b>.")),
    "ready": (_("Your order is packed."), _("It waits for a courier.")),
    "ready~courier_assigned": (_("Your order is packed."), _("A courier is on the way to the shop.")),
    "courier_at_store": (_("The courier is at the shop."), _("Your order leaves in a moment.")),
    "arrived": (_("You are here."), _("We are bringing your order to you.")),
    "in_transit": (_("Your order is on its way."), _("It has left the shop.")),
    "in_transit@": (_("Your order is on its way."), _("It left the shop {when}.")),
    "in_transit+": (_("Your order is on its way."), _("<b>{who}</b> is bringing it to you.")),
    "in_transit+@": (_("Your order is on its way."), _("It left the shop {when} with <b>{who}</b>.")),
    "pickup:fulfilled": (_("Handed over."), _("Everything is yours. Thank you.")),
    "pickup:fulfilled@": (_("Handed over {when}."), _("Everything is yours. Thank you.")),
    "fulfilled": (_("Delivered."), _("Everything is yours. Thank you.")),
    "fulfilled@": (_("Delivered {when}."), _("Everything is yours. Thank you.")),
    "in_store:fulfilled": (_("Thank you for coming."), _("Your receipt is settled.")),
    "in_store:fulfilled~payment_failed": (
        _("Your payment did not go through."),
        _("The shop will be in touch. Nothing for you to do now."),
    ),
    "in_store:fulfilled~reviewed": (
        _("Thank you for coming."),
        _("Your receipt was looked at again. What you see is final."),
    ),
    "in_store:on_hold": (_("Your receipt is being looked at again."), _("You see here what comes of it.")),
    "in_store:picked": (_("You have left the shop."), _("Your receipt follows in a few minutes.")),
    "canceled": (_("Your order was cancelled."), _("Nothing more will happen with it.")),
    "rejected": (_("The shop could not take your order."), _("Nothing more will happen with it.")),
    "failed": (
        _("Your order did not go through."),
        _("Nothing more will happen with it. Order again if you still want it."),
    ),
    "returned": (
        _("Your order went back to the shop."),
        _("It was not handed over. The shop can tell you what comes next."),
    ),
    "on_hold": (_("Your order is on hold."), _("We are sorting it out and will go on as soon as we can.")),
    "returning": (
        _("Your order is going back to the shop."),
        _("It could not be handed over. The shop can tell you what comes next."),
    ),
    "delivery:customer_missing": (_("The courier can’t find you."), _("Go to the door if you can, or call the shop.")),
    "last_mile:customer_missing": (_("The courier can’t find you."), _("Go to the door if you can, or call the shop.")),
    "customer_missing": (_("We can’t find you."), _("Your order is with us. Please call the shop.")),
    "late": ("", _("It runs later than promised. We are sorry.")),
    "in_review": (_("We’ve got your order."), _("The shop is checking it first. Nothing for you to do.")),
    "on_my_way": (_("See you soon."), _("The shop knows that you are coming.")),
    "here": (_("We have your check-in."), _("Your check-in is on its way to the shop’s screens.")),
    "unseen": (_("We have your check-in. Nobody has seen it yet."), _("A call is quicker now.")),
    "seen": (_("We saw you {when}."), _("Somebody is about to bring your order out.")),
    "claimed": (_("We saw you {when}. {who} is bringing it out."), _("Stay where you are.")),
    "unseen_here": ("", _("Please come in, or ask somebody of the shop.")),
    "cannot_find": (
        _("{who} is outside and can’t see you."),
        _("Tell us where you are, or switch your hazard lights on."),
    ),
    "waited": ("", _("You waited <b>{long}</b>. Thank you.")),
}

SMALL: Final[dict[str, str]] = {
    "somebody": _("Somebody"),
    "in_bay": _("You are in <b>bay {bay}</b>."),
    "count": _("<b>{done} of {lines}</b> done."),
    "done_of": _("{done} of {lines} done"),
    "promised": _("Promised when you ordered."),
    "moved": _("Moved to a new time. It was {old}."),
    "void": _("The promised time no longer holds. You get a new one as soon as it goes on."),
    "promised_by": _("promised by {time}"),
    "behind": _("The promised time has passed."),
    "risk": _("It may come a little after that."),
    "on_time": _("On time so far."),
    "back": _("{step} {when}."),
    "ready": _("It is ready and waits for you."),
    "payment_failed": _("The payment did not go through. The shop will be in touch."),
    "units": _("{count} ×"),
    "seconds": _("{count} s"),
    "minutes": _("{count} min"),
    "minutes_seconds": _("{minutes} min {seconds} s"),
    "held": _("On hold"),
    "going_back": _("Going back"),
    "part": _("{got} of {asked}"),
    "weighed": _("{got} in all"),
}

# known reason codes; what a system sends as text is shown as it is, an unknown code is not
REASONS: Final[dict[str, str]] = {
    "CUSTOMER_NO_SHOW": _("Nobody could be met at the handover."),
    "CUSTOMER_DRIVEN": _("It was asked for by you."),
    "RETAILER_DRIVEN": _("The shop had to."),
    "PICKING_LOCATION_NOT_VALID": _("This shop can’t take it."),
}

# item groups in the order they are shown: state, heading, icon, open at first
GROUPS: Final[tuple[tuple[str, str, str, bool], ...]] = (
    ("replaced", _("Replaced"), "arrow-left-right", True),
    ("refunded", _("Not available, refunded"), "receipt-text", True),
    ("not_found", _("Not available"), "circle-x", True),
    ("partial", _("Found in part"), "circle-dashed", True),
    ("pending", _("Still shopping"), "circle-dashed", False),
    ("added", _("Added"), "plus", False),
    ("found", _("Found"), "check", False),
    ("returned", _("Returned"), "undo-2", False),
)
TODO: Final = {"before": _("Waiting to be picked"), "after": _("In your order")}

TRAIL: Final[dict[str, str]] = {
    "placed": _("Order received"),
    "confirmed": _("Confirmed"),
    "assigned": _("A shopper took it"),
    "preparing": _("Picking began"),
    "reviewing": _("Changes are being settled"),
    "picked": _("Everything picked"),
    "staged": _("Packed"),
    "ready": _("Ready"),
    "courier_at_store": _("Courier at the shop"),
    "arrived": _("You are here"),
    "in_transit": _("On its way"),
    "fulfilled": _("Handed over"),
    "closed": _("Handed over"),
    "canceled": _("Cancelled"),
    "rejected": _("Not accepted by the shop"),
    "failed": _("Did not go through"),
    "returned": _("Back at the shop"),
    "on_my_way": _("You said that you are on your way"),
    "here": _("You checked in"),
    "claimed": _("Somebody took it"),
    "cannot_find": _("We could not find you"),
    "handed_over": _("Handed over"),
    "saved": _("Your check-in is saved at the shop"),
    "screen": _("Seen on a screen"),
    "took": _("{who} took it"),
    "hands": _("In your hands"),
}

# a step back, told plainly
BACKS: Final[dict[str, str]] = {
    "cart": _("Back at the start"),
    "placed": _("Back at the start"),
    "confirmed": _("Waiting for a shopper again"),
    "assigned": _("With a new shopper"),
    "preparing": _("Back to picking"),
    "reviewing": _("Back to settling changes"),
    "picked": _("Back to packing"),
    "staged": _("Back on the shelf"),
    "ready": _("Ready again"),
    "courier_at_store": _("Back at the shop, with the courier"),
}


# an instant within a sentence, on another day too; where the hour is one some languages use another article
MOMENTS: Final[dict[str, tuple[Plural, Plural]]] = {
    "at": (n_("at {time}", "at {time}"), n_("on {day} at {time}", "on {day} at {time}")),
    "by": (n_("by {time}", "by {time}"), n_("by {day}, {time}", "by {day}, {time}")),
    "from": (n_("from {time}", "from {time}"), n_("from {day}, {time}", "from {day}, {time}")),
}

# what is counted; `{count}` is the number, written as the language does
MANY: Final[dict[str, Plural]] = {
    "items": n_("{count} item", "{count} items"),
    "minutes": n_("{count} minute", "{count} minutes"),  # as in "about 5 minutes away"
}

# what a customer can be told has gone wrong: titles in app/errors.py, details where they are raised
ERRORS: Final = (
    _("Something went wrong on our side"),
    _("The body can't be read"),
    _("The secret is missing or wrong"),
    _("Not allowed"),
    _("Not found"),
    _("This address does not take that method"),
    _("That is not possible now"),
    _("The body is too large"),
    _("This kind of body is not taken"),
    _("The request does not fit"),
    _("Too many tries"),
    _("The store is away, try again shortly"),
)

# units of the page's own clocks: seconds, minutes, hours, days (of which there are two at least)
UNITS: Final = (_("s"), _("min"), _("h"), _("days"))


# while somebody is on the way; `+` where the shopper's name is known, `@` where it is known when they left. `{who}` may
# be "Your order", `{way}` is one of COMPASS, `{ago}` a length of time, `{long}` some minutes
TRIP: Final[dict[str, str]] = {
    "near+": _("{who} is almost at your door."),
    "near": _("Your order is almost at your door."),
    "about+": _("{who} is about {long} away."),
    "about": _("Your order is about {long} away."),
    "left+@": _("{who} left the shop {when} and is <b>{far}</b> from your door."),
    "left@": _("It left the shop {when} and is <b>{far}</b> from your door."),
    "left+": _("{who} is <b>{far}</b> from your door."),
    "left": _("It is <b>{far}</b> from your door."),
    "inside": _("Inside your promised time."),
    "around": _("It may come a little after your promised time."),
    "beyond": _("Later than promised. We are sorry."),
    "age": _("From a position {ago} old."),
    "expected": _("Promised {promised}, now expected between {early} and {late}."),
    "expected_only": _("Expected between {early} and {late}."),
    "at_door": _("{who} is at your door."),
    "of_door": _("{who} is <b>{far}</b> {way} of your door."),
    "of_shop": _("{who} is <b>{far}</b> {way} of the shop."),
    "shop_far": _("The shop is {far} away."),
    "lost": _("We have not heard where {who} is for {ago}."),
}
COMPASS: Final = (
    p_("1.2 km … of your door", "north"),
    p_("1.2 km … of your door", "north-east"),
    p_("1.2 km … of your door", "east"),
    p_("1.2 km … of your door", "south-east"),
    p_("1.2 km … of your door", "south"),
    p_("1.2 km … of your door", "south-west"),
    p_("1.2 km … of your door", "west"),
    p_("1.2 km … of your door", "north-west"),
)


class Words:
    """One language, as it is written where a store stands. Attributes of `page` are what the templates print as they
    are. `lang` is the language, `tag` the locale of figures, `others` every language with its own name."""

    def __init__(self, lang: str, tag: str) -> None:
        self._catalogue = catalogue(lang)
        self.lang = lang
        self.tag = tag
        self.others = tuple((other, called(other)) for other in LANGUAGES)
        told = self.told
        self.page = SimpleNamespace(**{name: told(text) for name, text in PAGE.items()})
        self.units = tuple(map(told, UNITS))
        self.page.units = "|".join(self.units)
        self.kinds = {name: (icon, told(text)) for name, (icon, text) in KINDS.items()}
        self.steps = {name: tuple((rank, told(text)) for rank, text in steps) for name, steps in STEPS.items()}
        self.bad = {name: told(text) for name, text in BAD.items()}
        self.said = {name: (told(a), told(b)) for name, (a, b) in SAID.items()}
        self.small = {name: told(text) for name, text in SMALL.items()}
        self.reasons = {name: told(text) for name, text in REASONS.items()}
        self.groups = tuple((state, told(text), icon, wide) for state, text, icon, wide in GROUPS)
        self.todo = {name: told(text) for name, text in TODO.items()}
        self.backs = {name: told(text) for name, text in BACKS.items()}
        self.trail = {name: told(text) for name, text in TRAIL.items()}
        many = self._catalogue.ngettext
        self.moments = {
            name: [tuple(many(*form, hour) for form in forms) for hour in range(25)] for name, forms in MOMENTS.items()
        }
        self.trip = {name: told(text) for name, text in TRIP.items()}
        self.compass = tuple(map(told, COMPASS))

    def told(self, text: str) -> str:
        """Any marked text; one that is not comes back as it is."""
        return tell(self._catalogue, text)

    def say(self, name: str, **values: str | Markup) -> Markup:
        return fill(self.small[name], values)

    @lru_cache(1024)  # noqa: B019  (there are a handful of languages, and they stay)
    def many(self, name: str, count: int) -> str:
        """A number of something, in the plural form that the language gives it."""
        return self._catalogue.ngettext(*MANY[name], count).format(count=number(count, self.tag))


def fill(text: str, values: Mapping[str, str | Markup]) -> Markup:
    """Our own text with `values` in it, each escaped unless it is Markup."""
    return Markup(text.format(**{k: v if type(v) is Markup else escaped(v) for k, v in values.items()}))


@lru_cache
def words(lang: str, zone: str = "") -> Words:
    """`zone`: the name of the store's time zone, which tells how figures are written there."""
    return _words(lang, written(lang, zone))


@lru_cache
def _words(lang: str, tag: str) -> Words:
    return Words(lang, tag)
