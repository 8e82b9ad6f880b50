"""The order systems, one file or folder each; `load` finds them by looking."""

import importlib
import pkgutil
from types import MappingProxyType

from app.errors import Fatal
from app.providers.contract import Provider

_OURS = {"contract", "signing"}


def load() -> MappingProxyType[str, Provider]:
    """Every provider by its name. A module here that ends in no `PROVIDER` stops the start."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name in _OURS:
            continue
        provider = getattr(importlib.import_module(f"{__name__}.{module.name}"), "PROVIDER", None)
        if not isinstance(provider, Provider):
            raise Fatal(f"app/providers/{module.name} has no PROVIDER.")
        found[provider.name] = provider
    return MappingProxyType(found)
