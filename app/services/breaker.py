"""When not to ask at all, and how long to wait before asking again."""

import random
from email.utils import parsedate_to_datetime
from typing import Final

OPENS_AFTER: Final = 5  # failures in a row
OPEN_FOR: Final = 30.0  # seconds until one call may try
PAUSE: Final = 5.0  # seconds, doubled with each failure
PAUSE_MOST: Final = 300.0
AFTER_MOST: Final = 3600.0  # seconds: a longer Retry-After is not believed


class Breaker:
    """Closed while calls go well; open after five failures in a row; half-open after that, for one call at a time."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._trying = False

    def state(self, now: float) -> str:
        if self._failures < OPENS_AFTER:
            return "closed"
        return "open" if now < self._until else "half-open"

    def room(self, now: float, most: int) -> int:
        """How many calls may begin: all, none, or the one that tries."""
        state = self.state(now)
        if state == "closed":
            return most
        return 0 if state == "open" or self._trying else min(most, 1)

    def wait(self, now: float) -> float:
        """Seconds until a call may begin; 0 where one may."""
        if self.room(now, 1):
            return 0.0
        return max(self._until - now, 1.0)

    def begin(self, now: float) -> None:
        self._trying = self.state(now) != "closed"

    def good(self) -> None:
        self._failures, self._trying = 0, False

    def bad(self, now: float) -> None:
        self._failures, self._trying = self._failures + 1, False
        if self._failures >= OPENS_AFTER:
            self._until = now + OPEN_FOR

    def neither(self) -> None:
        """The call that tried told nothing about the other side."""
        self._trying = False


def pause(failures: int) -> float:
    """Seconds until the next try after so many failures in a row, never twice the same."""
    return float(min(PAUSE * 2 ** min(failures - 1, 10), PAUSE_MOST) * random.uniform(0.75, 1.25))


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds of a Retry-After header, given as such or as a date; None where there is none to be read."""
    if not value:
        return None
    if value.strip().isdigit():
        return min(float(value.strip()[:9]), AFTER_MOST)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return min(max(moment.timestamp() - now, 0.0), AFTER_MOST)
