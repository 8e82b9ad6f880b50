"""People at a store's board, and the orders on it: for tests in a browser."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx2
from playwright.sync_api import BrowserContext, Page
from rig import SECRET, Served

from app.orders import OrderEvent, Step
from app.store.people import User

ZONE = ZoneInfo("America/Los_Angeles")  # of store 68: Jane's stamps name none
CALLER = httpx2.Client(headers={"Authorization": f"Bearer {SECRET}"})
LIVE = 'html[data-live="live"]'


def sign_in(served: Served, context: BrowserContext, role: str = "staff", name: str = "mara") -> Page:
    """A live board of store 68, for somebody of this role."""
    site = served.house.site
    served.call(site.people.save(User(name, role, ("68", "123"), "")))
    secret = served.call(site.people.enter(name, site.clock()))
    context.add_cookies([{"name": site.cookie, "value": secret, "url": served.base}])
    return another(served, context)


def another(served: Served, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(f"{served.base}/board/68")
    page.wait_for_selector(LIVE)
    return page


def jane(
    served: Served, status: str, number: int, minutes: int = 40, kind: str = "curbside", name: str = "Amida Brooks"
) -> None:
    window = (datetime.now(ZONE) + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")
    cart = {
        "id": number, "uuid": f"c{number}", "status": status, "reservation_mode": kind, "amount": 41.8, "store_id": 68,
        "queue_number": f"G{number}", "customer_name": name, "customer_phone_number": f"+1 555 222 {number:04d}",
        "reservation_start_window": window, "products": [],
    }  # fmt: skip
    body = {"cart": cart, "webhook_event": "cart_status_updated"}
    post(served, "jane-68", body)


def lola(served: Served, name: str, number: int, turn: int = 0, shopper: str = "Olu") -> None:
    at = datetime.now(UTC) - timedelta(hours=1) + timedelta(milliseconds=turn)
    payload = {
        "id": f"l{number}", "orderRef": f"R{number:03d}", "serviceType": "DELIVERY", "pickingLocation": {"id": "68"},
        "shopper": {"id": "s", "name": shopper},
        "timeSlot": {
            "id": "t", "fromDate": at.isoformat(), "toDate": (at + timedelta(minutes=120 + number)).isoformat(),
        },
    }  # fmt: skip
    stamp = at.isoformat(timespec="milliseconds")
    body = {"eventId": f"{name}{number}-{turn}", "eventName": name, "eventTimestamp": stamp, "eventPayload": payload}
    post(served, "lola", body)


def post(served: Served, source: str, body: object) -> None:
    answer = CALLER.post(f"{served.base}/hooks/{source}", json=body)
    assert answer.status_code == 202, answer.text


def step(served: Served, number: int, state: str, seconds: float = 0) -> None:
    """What the customer or mara does about Jane's order `number`, so long ago."""
    site = served.house.site
    event = OrderEvent(
        source="jane-68", provider="jane", ref=f"c{number}", name=state, digest="", policy="local",
        heard=site.clock() - seconds, by="mara", arrival=Step(state, "2", "grey Corolla"),
    )  # fmt: skip
    served.call(site.intake.take(event))


def busy(served: Served) -> None:
    """One of each: new, picking, ready, on the way, outside at each level, claimed, not found, late, at risk, done."""
    for number, status in enumerate(("verification", "preparing", "ready_for_pickup", "delivery_started"), 10):
        jane(served, status, number)
    jane(served, "preparing", 20, minutes=-5)
    jane(served, "preparing", 21, minutes=3)
    for number, seconds in ((30, 10), (31, 170), (32, 400), (33, 60), (34, 100)):
        jane(served, "ready_for_pickup", number)
        step(served, number, "here", seconds)
    step(served, 33, "claimed")
    step(served, 34, "claimed")
    step(served, 34, "cannot_find")
    jane(served, "ready_for_pickup", 35)
    step(served, 35, "on_my_way")
    jane(served, "finished", 36)
    jane(served, "canceled", 37)
