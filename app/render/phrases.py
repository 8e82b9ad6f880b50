"""What customers read of an order: what is so, what comes next, what has happened.

`{name}` is filled in, escaped; `<b>` is ours. A text is a whole sentence or label, never a part of one; `{when}` stands
for "at 14:05" or "on Sun, 22 Nov at 14:05" as a whole. A new text needs its translations: `make words`.
"""

from typing import Final

from app.render.tongue import Plural, _, n_, p_

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
    "before": _("Before your promised time."),
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
