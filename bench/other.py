"""The other side of the poller's bench: answers Instacart's calls at once, and keeps when each order was asked for.

`GET /figures?from=…` tells the longest and the median pause between two polls of an order, by its pace.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from itertools import pairwise
from urllib.parse import urlsplit

import uvloop

LINES = [
    {"id": str(n), "item": {"name": f"Line {n}", "quantity": "1.0", "cost_unit": "each"}, "status": "NOT_PICKED"}
    for n in range(12)
]
DOOR = {"instructions": "Ring twice", "address": {"address_line_1": "1 Main St", "locality": "Town"}}
asked: dict[str, list[float]] = defaultdict(list)


def state(ref: str) -> str:
    return "picking" if ref.startswith("fast") else "brand_new"


def order(ref: str) -> dict[str, object]:
    window = {"window_starts_at": "2030-01-01T10:00:00Z", "window_ends_at": "2030-01-01T12:00:00Z"}
    return {
        "workflow_state": state(ref),
        "fulfillment_type": "delivery",
        "creation_date": "2030-01-01T09:00:00Z",
        "fulfillment_details": window,
    }


def figures() -> dict[str, object]:
    found = {}
    for pace in ("fast", "slow"):
        gaps = sorted(b - a for ref, at in asked.items() if ref.startswith(pace) for a, b in pairwise(at))
        found[pace] = {"polls": len(gaps), "median": gaps[len(gaps) // 2], "longest": gaps[-1]} if gaps else None
    return found


def answer(method: str, path: str) -> object:
    if path == "/v2/oauth/token":
        return {"access_token": "t" * 40, "token_type": "Bearer", "expires_in": 86_400}
    if path == "/figures":
        return figures()
    if path == "/begin":
        asked.clear()
        return {}
    ref, _, what = path.rpartition("/orders/")[2].partition("/")
    if what == "items":
        return {"line_items": LINES}
    if what == "handling":
        return DOOR
    asked[ref].append(time.monotonic())
    return order(ref)


class Talk(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while b"\r\n\r\n" in self.held:
            head, _, rest = self.held.partition(b"\r\n\r\n")
            lower = head.lower()
            length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else 0
            if len(rest) < length:
                return
            self.held = rest[length:]
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            body = json.dumps(answer(method, urlsplit(target).path)).encode()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            self.transport.write(head + body)  # type: ignore[attr-defined]


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Talk, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
