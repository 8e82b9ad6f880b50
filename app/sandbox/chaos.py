"""What goes wrong between an order system and us, on purpose and by seed."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from app.sandbox.sides import Feed, Step, side

REMEMBERED = 200


@dataclass(frozen=True, kw_only=True)
class Chaos:
    """Probabilities from 0 to 1. Per call to us, drop: never sent; repeat: sent twice; reorder: sent after the order's
    next one; delay: sent up to ten minutes late; revert: followed by the order's earlier news, told as new. Per call
    to an order system, errors: a 5xx; limits: a burst of 429 begins; slow: an answer up to `slowest` seconds late;
    expiry: no token is good any more."""

    drop: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    revert: float = 0.0
    errors: float = 0.0
    limits: float = 0.0
    slow: float = 0.0
    expiry: float = 0.0
    slowest: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        ours = (self.drop, self.repeat, self.reorder, self.delay, self.revert)
        theirs = (self.errors, self.limits, self.slow, self.expiry)
        if not all(0 <= chance <= 1 for chance in (*ours, *theirs)):
            raise ValueError("each chance must be from 0 to 1")
        # An endless story of which nothing is left would never come to its first step.
        if self.drop == 1:
            raise ValueError("the chance to drop must be below 1")


def disturb(steps: Iterable[Step], feeds: Mapping[str, Feed], chaos: Chaos) -> Iterator[Step]:
    """The steps as they arrive after all; still by time, and as endless as they came."""
    trouble = _Trouble(feeds, chaos)
    turn = count()
    late: list[tuple[float, int, Step]] = []
    for step in steps:
        for other in trouble.befall(step):
            heapq.heappush(late, (other.at, next(turn), other))
        while late and late[0][0] <= step.at:
            yield heapq.heappop(late)[2]
    yield from (entry[2] for entry in sorted(late))
    yield from trouble.behind.values()


class _Trouble:
    def __init__(self, feeds: Mapping[str, Feed], chaos: Chaos) -> None:
        self.feeds = feeds
        self.chaos = chaos
        self.rng = Random(chaos.seed)
        self.behind: dict[str, Step] = {}
        self.last: dict[str, Step] = {}

    def befall(self, step: Step) -> Iterator[Step]:
        """What becomes of one step, and of what waited for it. What happened has happened, and on time, whatever
        becomes of the call that tells of it."""
        if not step.calls:
            yield step
            return
        bare = replace(step, deeds=(), follow=None)
        told = list(self._told(bare))
        if told and told[0] is bare:
            told[0] = step
        elif step.deeds or step.follow:
            yield replace(step, method="", body=b"", tail="", query="")
        yield from told

    def _told(self, step: Step) -> Iterator[Step]:
        held = self.behind.pop(step.ref, None)
        if self._happens(self.chaos.drop):
            pass
        elif held is None and self._happens(self.chaos.reorder):
            self.behind[step.ref] = step
        elif self._happens(self.chaos.delay):
            yield replace(step, at=step.at + self.rng.uniform(20, 600))
        else:
            yield step
            yield from self._twice(step)
        if held:
            yield replace(held, at=step.at)
        if len(self.behind) > REMEMBERED:
            yield replace(self.behind.pop(next(iter(self.behind))), at=step.at)

    def _twice(self, step: Step) -> Iterator[Step]:
        if self._happens(self.chaos.repeat):
            yield replace(step, at=step.at + self.rng.uniform(0, 120))
        earlier = self.last.pop(step.ref, None)
        self.last[step.ref] = step
        if len(self.last) > REMEMBERED:
            del self.last[next(iter(self.last))]
        if earlier and self._happens(self.chaos.revert):
            again = side(self.feeds[step.feed].provider).again
            body = again(earlier.body, step.body)
            yield replace(earlier, at=step.at, label=f"{step.label} undone", body=body)

    def _happens(self, chance: float) -> bool:
        # No draw for what can never happen: switching one kind on leaves the others' choices alone.
        return chance > 0 and self.rng.random() < chance
