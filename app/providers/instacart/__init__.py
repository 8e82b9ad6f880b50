"""Instacart Connect: orders are polled by its start and stop rules, callbacks tell of a change sooner."""

from typing import Final

from app.providers.contract import Provider
from app.providers.instacart.callbacks import first, parse, redact, respond, verify
from app.providers.instacart.calls import CALLS
from app.providers.instacart.polling import POLLING
from app.providers.instacart.shapes import Options

PROVIDER: Final = Provider(
    name="instacart",
    label="Instacart",
    verify=verify,
    parse=parse,
    redact=redact,
    options=Options,
    tails=frozenset({"", "token"}),
    first=first,
    forms=frozenset({"token"}),
    respond=respond,
    polling=POLLING,
    calls=CALLS,
)
