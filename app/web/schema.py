"""The API's description: Litestar finds the paths and their parameters, and this says what each call does, takes and
answers."""

from typing import Any, Final

import msgspec
from litestar import Request
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from msgspec import Struct

from app.web import answers, api, follow, manual, screens

PREFIX: Final = "#/components/schemas/"
ABOUT: Final = (
    "Orders of many order systems, one shape. Every call needs an API token (`orderboard api-token create`). Times are "
    "RFC 3339 in UTC, amounts decimal strings, ids strings. A slash in a ref is written %2F. Where the store is away, "
    "the answer is 503 with Retry-After: nothing was changed that was not acknowledged."
)


class Does(Struct, frozen=True):
    """A call: what it does, what it answers by status, the shapes of its body, and whether it may be left out."""

    words: str
    answers: dict[int, type[Struct] | None]
    takes: tuple[type[Struct], ...] = ()
    may: bool = False  # the body may be empty
    open: bool = False  # no token is needed


ORDER: Final = "/api/orders/{source}/{ref}"
CALLS: Final[dict[tuple[str, str], Does]] = {
    ("get", "/api/orders"): Does("List orders; `code` is the one that people know", {200: answers.Orders}),
    ("post", "/api/orders"): Does(
        "Follow a polled order (where it is followed already: poll it at once), or enter one by hand",
        {201: answers.Followed, 200: answers.Followed, 409: answers.Problem},
        (follow.Wanted, manual.Wanted),
    ),
    ("get", ORDER): Does("One order; a visit that has become an order answers 308", {200: answers.Order, 308: None}),
    ("get", ORDER + "/ledger"): Does("Its raw events", {200: answers.Ledger}),
    ("get", ORDER + "/links"): Does("Its tracking links", {200: answers.Links}),
    ("post", ORDER + "/links"): Does(
        "Make a tracking link", {201: answers.NewLink, 409: answers.Problem}, (api.Wish,), may=True
    ),
    ("post", ORDER + "/arrival"): Does(
        "The staff side of a check-in", {200: answers.Order, 409: answers.Problem}, (api.Move,)
    ),
    ("get", ORDER + "/calls"): Does("What was to be told to its order system", {200: answers.Calls}),
    ("delete", "/api/links/{link_id}"): Does("End a tracking link and those made from it", {204: None}),
    ("post", "/api/links/{link_id}/reissue"): Does("Put a new link in a link's place", {201: answers.NewLink}),
    ("get", "/api/stores/{store}/board"): Does("What stands on a store's board", {200: answers.Board}),
    ("post", "/api/stores/{store}/screens"): Does("Make a screen", {201: answers.NewScreen}, (screens.Wish,)),
    ("delete", "/api/screens/{screen}"): Does("End a screen", {204: None}),
    ("get", "/api/calls"): Does("Calls to order systems that need a person", {200: answers.Calls}),
    ("post", "/api/calls/replay"): Does(
        "Make one of these calls again, or all", {200: answers.Again}, (follow.Again,), may=True
    ),
    ("get", "/api/sources"): Does("Each feed's health", {200: answers.Sources}),
    ("get", "/api/quarantine"): Does("What could not be read or understood", {200: answers.Quarantine}),
    ("get", "/api/quarantine/{entry}"): Does("One of these, with its body", {200: answers.KeptWhole}),
    ("post", "/api/quarantine/{entry}/replay"): Does(
        "Try it again", {200: answers.Replayed, 409: answers.Problem}
    ),
    ("post", "/api/quarantine/replay"): Does("Try all of it again, the oldest first", {200: answers.AllReplayed}),
    ("get", "/healthz"): Does("Is the process alive?", {200: answers.Alive}, open=True),
    ("get", "/readyz"): Does("Can it do its work?", {200: answers.Ready, 503: answers.Ready}, open=True),
    ("get", "/metrics"): Does("The figures, for Prometheus", {}),
}  # fmt: skip
BODIES: Final[dict[type[Struct], str]] = {
    follow.Wanted: "FollowOrder",
    manual.Wanted: "ManualOrder",
    api.Wish: "LinkWish",
    api.Move: "ArrivalMove",
    screens.Wish: "ScreenWish",
    follow.Again: "CallChoice",
}


def components() -> dict[str, Any]:
    """The shapes by name. Those of bodies have names of their own, and so has what they are made of."""
    shapes = {shape for does in CALLS.values() for shape in does.answers.values() if shape is not None}
    made = _shapes([answers.Problem, *shapes], "{name}")
    for kind, name in BODIES.items():
        parts = _shapes([kind], name + ".{name}")
        made[name] = parts.pop(kind.__name__)
        made |= {f"{name}.{part}": schema for part, schema in parts.items()}
    return made


def _shapes(kinds: list[type[Struct]], template: str) -> dict[str, Any]:
    _, made = msgspec.json.schema_components(kinds, ref_template=PREFIX + template)
    for schema in made.values():
        del schema["title"]  # the class's name, which is nobody's business
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
    text = msgspec.json.encode(made, order="sorted").replace(
        rb"\\Z", b"$"
    )  # Python's end of a text is not JSON Schema's
    told: dict[str, Any] = msgspec.json.decode(text)
    return told


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Litestar's description with what it can't know. Raises KeyError for a call that nothing is said of."""
    paths = {
        path: {method: _told(dict(known), CALLS[method, path]) for method, known in item.items()}
        for path, item in schema["paths"].items()
    }
    parts = {"schemas": components(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    return {**schema, "paths": paths, "components": parts, "security": [{"token": []}]}


def _told(known: dict[str, Any], does: Does) -> dict[str, Any]:
    kept = {status: said for status, said in known["responses"].items() if not does.answers and status == "200"}
    told = {str(status): _answer(status, shape) for status, shape in does.answers.items()}
    problems = {"default": _answer(0, answers.Problem)}
    known |= {"summary": does.words, "responses": kept | told | problems}
    if does.open:
        known["security"] = []
    if does.takes:
        refs = [{"$ref": PREFIX + BODIES[kind]} for kind in does.takes]
        body = refs[0] if len(refs) == 1 else {"oneOf": refs}
        known["requestBody"] = {"content": {"application/json": {"schema": body}}, "required": not does.may}
    return known


def _answer(status: int, shape: type[Struct] | None) -> dict[str, Any]:
    words = {0: "A problem, in words", 200: "Done", 201: "Made", 204: "Done", 308: "It is there now", 409: "Not now"}
    if shape is None:
        return {"description": words[status]}
    kind = "application/problem+json" if shape is answers.Problem else "application/json"
    return {
        "description": words.get(status, "Not now"),
        "content": {kind: {"schema": {"$ref": PREFIX + shape.__name__}}},
    }


class Described(JsonRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return self.render_json(request, described(openapi_schema))


CONFIG: Final = OpenAPIConfig(
    "Orderboard", "1", description=ABOUT, path="/api/schema", render_plugins=[Described(path=("/", "/openapi.json"))]
)
