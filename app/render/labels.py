"""What customers read that stands in the templates, over lists and on buttons.

`{name}` is filled in, escaped; `<b>` is ours. A text is a whole sentence or label, never a part of one; `{when}` stands
for "at 14:05" or "on Sun, 22 Nov at 14:05" as a whole. A new text needs its translations: `make words`.
"""

from typing import Final

from app.render.tongue import _, p_

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
