"""What happens in the order systems' world, as plain data: two tellings of one story can be compared."""

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an Instacart order; the quantity is a decimal string."""

    id: str
    name: str
    quantity: str
    unit: str = "EACH"


@dataclass(frozen=True, slots=True)
class Address:
    street: str
    locality: str
    area: str
    postal_code: str
    country: str = "US"


@dataclass(frozen=True, slots=True)
class Purchase:
    """An Instacart order as it was placed. `kind` is its fulfillment_type; instants are Unix seconds; the shopper
    drives along `route` (latitude, longitude; the door last) in `drive` seconds."""

    id: str
    user_id: str
    kind: str
    created: float
    window: tuple[float, float]
    lines: tuple[Line, ...]
    address: Address
    route: tuple[Point, ...]
    drive: float = 600.0
    curbside: bool = False
    dropoff: str = ""
    notes: str = ""
    instructions: str = ""
    unattended: bool = False
    alcoholic: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class Moved:
    """An Instacart order reached a workflow state; `window` where it was given another one, `shopper` who took it."""

    order: str
    state: str
    at: float
    window: tuple[float, float] | None = None
    shopper: str = ""


@dataclass(frozen=True, slots=True)
class Sorted:
    """What became of a line: NOT_PICKED, FOUND, REPLACED or TO_REFUND; `answer` is its replacement_status."""

    order: str
    line: str
    status: str
    answer: str = "SUBSTITUTION_STATUS_UNSPECIFIED"
    instead: Line | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What another system shows of an order from now on, as JSON. `owner` is whose order it is, where that counts."""

    system: str
    ref: str
    document: bytes
    owner: str = ""


Deed = Placed | Moved | Sorted | Shown
