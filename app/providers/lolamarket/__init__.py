"""Lolamarket (Glovo XL): webhooks in two dialects; an order that falls silent past its slot is asked for."""

from typing import Final

from app.providers.contract import Provider
from app.providers.lolamarket.events import Options, kind_of, parse, verify
from app.providers.lolamarket.polling import POLLING

__all__ = ["PROVIDER", "kind_of"]

PROVIDER: Final = Provider(
    name="lolamarket", label="Lolamarket", verify=verify, parse=parse, options=Options, tails=None, polling=POLLING
)
