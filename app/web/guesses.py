"""How often links were tried that open nothing."""

from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Final

WRONG: Final = 60  # links that open nothing, an address, in WINDOW seconds
WRONG_ALL: Final = 6_000
WINDOW: Final = 60
KNOWN_MOST: Final = 50_000  # addresses remembered at once


class Guesses:
    """Counts links that opened nothing, in this process. A right one is never refused for another's wrong ones: who
    shares an address with an attacker still sees their order."""

    def __init__(self) -> None:
        self._until = 0.0
        self._all = 0
        self._by: Counter[str] = Counter()

    def fits(self, peer: str, now: float) -> bool:
        """One more wrong one. False where there were too many."""
        if now >= self._until:
            self._until, self._all = now + WINDOW, 0
            self._by.clear()
        self._all += 1
        place = network(peer)
        if place in self._by or len(self._by) < KNOWN_MOST:
            self._by[place] += 1
        return self._by[place] <= WRONG and self._all <= WRONG_ALL


def network(peer: str) -> str:
    """What one subscriber has: an IPv4 address, or the first 64 bits of an IPv6 one."""
    try:
        known = ip_address(peer)
    except ValueError:
        return peer
    return str(int(known) >> 64) if isinstance(known, IPv6Address) else peer
