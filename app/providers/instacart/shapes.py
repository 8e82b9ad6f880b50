"""The bodies of Instacart Connect, as far as they are read. Optional wherever the documentation leaves it open."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

Ref = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]+\Z")]
Degrees = Annotated[float, Meta(ge=-180, le=180)]
Id = str | int  # never a float: ids go beyond 2^53


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """`client_id` and `client_secret` are Instacart's, for polling; without them nothing is polled. An order that
    was followed without a `user_id` is asked for with a token of our own, of this scope."""

    client_id: str | None = None
    client_secret: str | None = None
    client_scope: str = "connect:fulfillment"


class Window(Struct, frozen=True):
    window_starts_at: str | None = None
    window_ends_at: str | None = None


class Details(Struct, frozen=True):
    """The order itself."""

    workflow_state: str
    creation_date: str | None = None
    fulfillment_type: str | None = None
    pickup_category: str | None = None
    fulfillment_details: Window | None = None


class Good(Struct, frozen=True):
    """What was ordered, or what came in its stead; `quantity` is a decimal in a string."""

    name: str | None = None
    image_url: str | None = None
    quantity: str | float | None = None
    cost_unit: str | None = None


class Line(Struct, frozen=True):
    id: Id
    status: str
    replacement_status: str | None = None
    item: Good | None = None
    replacement: Good | None = None


class Lines(Struct, frozen=True):
    line_items: list[Line]


class Address(Struct, frozen=True):
    address_line_1: str | None = None
    address_line_2: str | None = None
    locality: str | None = None
    administrative_area: str | None = None
    postal_code: str | None = None


class Point(Struct, frozen=True):
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Degrees


class Door(Struct, frozen=True):
    """The handling. `shopper`: its fields are not published."""

    address: Address | None = None
    coordinates: Point | None = None
    shopper: object = None
    dropoff_location: str | None = None
    notes: str | None = None
    instructions: str | None = None
    leave_unattended: bool | None = None
    alcoholic: bool | None = None
    certified_delivery: bool | None = None


class Place(Struct, frozen=True):
    coordinates: Point | None = None


class Grant(Struct, frozen=True):
    access_token: Annotated[str, Meta(min_length=1, max_length=8192, pattern=r"^[!-~]+\Z")]
    expires_in: Annotated[float, Meta(ge=0, le=1e9)] = 86_400.0


class Fault(Struct, frozen=True):
    message: object = None
    code: object = None


class Refusal(Struct, frozen=True):
    error: Fault | None = None


class Taken(Struct, frozen=True):
    success: object = None


class About(Struct, frozen=True):
    """What a callback is about; which more fields there are depends on the event."""

    order_id: Ref | int
    fulfillment_type: object = None
    pickup_category: object = None


class Hook(Struct, frozen=True):
    event_id: Id
    event_name: str
    event_timestamp: str
    event_metadata: About


class Named(Struct, frozen=True):
    event_name: str


class Client(Struct, frozen=True):
    """Who asks us for a token."""

    client_id: str = ""
    client_secret: str = ""
    grant_type: str = ""


DETAILS: Final = msgspec.json.Decoder(Details)
LINES: Final = msgspec.json.Decoder(Lines)
DOOR: Final = msgspec.json.Decoder(Door)
PLACE: Final = msgspec.json.Decoder(Place | None)
GRANT: Final = msgspec.json.Decoder(Grant)
REFUSAL: Final = msgspec.json.Decoder(Refusal)
TAKEN: Final = msgspec.json.Decoder(Taken)
HOOK: Final = msgspec.json.Decoder(Hook)
NAMED: Final = msgspec.json.Decoder(Named)
CLIENT: Final = msgspec.json.Decoder(Client)
WHOLE: Final = msgspec.json.Decoder()
