"""When an order system's own calls go wrong: by chance, or because a test has asked for it."""

import random
from dataclasses import dataclass, field

from app.sandbox.chaos import Chaos


@dataclass(frozen=True, slots=True)
class Ill:
    """What befalls a call: this status instead of an answer (0: none), `seconds` late, with a Retry-After."""

    status: int = 0
    seconds: float = 0.0
    retry_after: str = ""


@dataclass
class Planned:
    ill: Ill
    times: int
    method: str
    path: str

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method in ("", method) and self.path in path


@dataclass
class Trouble:
    """`limit` is how many calls in one second of the clock are answered; the others get 429."""

    chaos: Chaos = field(default_factory=Chaos)
    limit: int | None = None
    retry_after: str = ""
    planned: list[Planned] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.chaos.seed)
        self.second, self.count = 0, 0
        self.burst = 0

    def plan(
        self,
        status: int,
        *,
        times: int = 1,
        method: str = "",
        path: str = "",
        seconds: float = 0.0,
        retry_after: str = "",
    ) -> None:
        """The next `times` calls of this method with `path` in their path get this status, so many seconds late. With
        status 0 they take effect and are answered truly, but late."""
        self.planned.append(Planned(Ill(status, seconds, retry_after), times, method, path))

    def befall(self, method: str, path: str, now: float) -> Ill:
        for plan in self.planned:
            if plan.fits(method, path):
                plan.times -= 1
                return plan.ill
        if self._crowded(now):
            return Ill(429, retry_after=self.retry_after)
        return self._chance()

    def forgets(self) -> bool:
        """Whether every token is refused from now on."""
        return self._happens(self.chaos.expiry)

    def _crowded(self, now: float) -> bool:
        if self.limit is None:
            return False
        if int(now) != self.second:
            self.second, self.count = int(now), 0
        self.count += 1
        return self.count > self.limit

    def _chance(self) -> Ill:
        if self.burst == 0 and self._happens(self.chaos.limits):
            self.burst = self.rng.randint(2, 8)
        if self.burst:
            self.burst -= 1
            return Ill(429, retry_after=self.rng.choice(("", "1", "2")))
        if self._happens(self.chaos.errors):
            return Ill(self.rng.choice((500, 502, 503, 504)))
        return Ill(0, self.rng.uniform(1, self.chaos.slowest)) if self._happens(self.chaos.slow) else Ill()

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self.rng.random() < chance
