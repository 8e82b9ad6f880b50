"""The plan of a day at the stores: who orders when, and what becomes of it. Pure: same seed and start, same bytes."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from app.sandbox.sides import Beat, Feed, Opening, Plan, Side, Step, Tale, side

__all__ = ["Feed", "Step", "day", "rush"]

# A rush: waits are cut to this, and steps come this many seconds apart, so that a board moves every two seconds.
HASTE = 0.3
NEAREST, USUAL, FARTHEST = 1.2, 2.0, 2.8


def day(feeds: Sequence[Feed], *, seed: int, start: datetime, orders: int = 60, hours: float = 10.0) -> list[Step]:
    """So many orders, at their natural pace, placed within so many hours with a rush at noon and in the evening."""
    cast = Cast(feeds, seed, start)
    busy = [_busy(cast.rng) for _ in range(orders)]
    steps = [step for share in sorted(busy) for step in cast.enter(share * hours * 3600).rest()]
    return sorted(steps, key=lambda step: step.at)


def rush(feeds: Sequence[Feed], *, seed: int, start: datetime) -> Iterator[Step]:
    """A story that has begun: first, with `at` below 0, how each feed's opening orders came to be where they are;
    then a step about every two seconds, for ever."""
    cast = Cast(feeds, seed, start)
    lives = [cast.open(feed, opening) for feed in feeds for opening in cast.sides[feed.provider].opening]
    yield from sorted((step for life in lives for step in life.past), key=lambda step: step.at)
    yield from _onward(cast, [life for life in lives if not life.over])


def _onward(cast: "Cast", lives: Sequence["Life"]) -> Iterator[Step]:
    """Whose turn is next goes first, held back or brought forward so that steps are evenly apart. Each order that
    ends makes room for a new one."""
    turn = count()
    queue = [(life.due(HASTE, cast.rng), next(turn), life) for life in lives]
    heapq.heapify(queue)
    now = 0.0
    while queue:
        due, _, life = heapq.heappop(queue)
        now += min(max(due - now, cast.rng.uniform(NEAREST, USUAL)), FARTHEST)
        yield life.step(now)
        if life.over:
            newcomer = cast.enter(now + cast.rng.uniform(5, 40), HASTE)
            heapq.heappush(queue, (newcomer.begins, next(turn), newcomer))
        else:
            heapq.heappush(queue, (now + life.wait * HASTE, next(turn), life))


def _busy(rng: Random) -> float:
    """When in the day somebody orders, from 0 to 1."""
    return rng.triangular(0, 0.65, 0.3) if rng.random() < 0.5 else rng.triangular(0.3, 0.95, 0.75)


@dataclass
class Life:
    """One order being told, and how far it is."""

    feed: Feed
    tale: Tale
    start: datetime
    begins: float = 0.0
    past: list[Step] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return len(self.times) == len(self.tale.beats)

    @property
    def wait(self) -> float:
        return self.tale.beats[len(self.times)].wait

    def step(self, at: float) -> Step:
        beat = self.tale.beats[len(self.times)]
        self.times.append(self.start + timedelta(seconds=round(at, 3)))
        news = beat.write(self.times)
        return Step(
            round(at, 3),
            self.feed.source,
            self.tale.ref,
            beat.label,
            news.body,
            news.method,
            news.tail,
            news.query,
            news.deeds,
            news.follow,
        )

    def rest(self) -> Iterator[Step]:
        at = self.begins
        while not self.over:
            at += self.wait
            yield self.step(at)

    def due(self, haste: float, rng: Random) -> float:
        """When the next beat comes after the opening, in seconds; soon where it should have come before."""
        ago = (self.start - self.times[-1]).total_seconds()
        return max((self.wait - ago) * haste, rng.uniform(1, 60))


class Cast:
    """Gives each new order its feed, story and promise. Every story is told once before chance decides."""

    def __init__(self, feeds: Sequence[Feed], seed: int, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the start needs a time zone")
        if not feeds:
            raise ValueError("a day needs at least one feed")
        self.feeds = feeds
        self.start = start.astimezone(UTC)
        # The start is part of the seed: a demo begun twice on the same data has two sets of orders.
        self.seed = f"{seed}/{self.start.isoformat()}"
        self.rng = Random(self.seed)
        self.sides: dict[str, Side] = {feed.provider: side(feed.provider) for feed in feeds}
        self.untold = {feed.source: self._shuffled(feed) for feed in feeds}
        self.numbers = count(self.rng.randrange(10, 60))
        self.turns = count()

    def _shuffled(self, feed: Feed) -> list[str]:
        names = list(self.sides[feed.provider].stories)
        self.rng.shuffle(names)
        return names

    def enter(self, begins: float, haste: float = 1.0) -> Life:
        """The next order, of the next feed in turn."""
        feed = self.feeds[next(self.turns) % len(self.feeds)]
        stories, (least, most) = self.sides[feed.provider].stories, self.sides[feed.provider].promise
        if self.untold[feed.source]:
            story = self.untold[feed.source].pop()
        else:
            story = self.rng.choices(list(stories), list(stories.values()))[0]
        promise = self.rng.uniform(least, most) * haste
        plan = Plan(next(self.numbers), story, promise, haste=haste)
        return Life(feed, self.tell(feed, plan), self.start, begins)

    def tell(self, feed: Feed, plan: Plan) -> Tale:
        rng = Random(f"{self.seed}/{feed.source}/{plan.number}")
        return self.sides[feed.provider].tell(feed, plan, rng)

    def open(self, feed: Feed, opening: Opening) -> Life:
        """An order with a past. It is told twice: how long it took so far says when its promise was made."""
        number = next(self.numbers)
        beats = self.tell(feed, Plan(number, opening.story, 0.0, opening.flavour)).beats
        done = _reached(beats, opening)
        begins = -opening.ago - sum(beat.wait for beat in beats[: done + 1])
        plan = Plan(number, opening.story, opening.due - begins, opening.flavour, HASTE)
        life = Life(feed, self.tell(feed, plan), self.start, begins)
        at = begins
        for _ in range(done + 1):
            at += life.wait
            life.past.append(life.step(at))
        return life


def _reached(beats: Sequence[Beat], opening: Opening) -> int:
    last = max(place for place, beat in enumerate(beats) if beat.label == opening.reached)
    return min(last + opening.more, len(beats) - 1)
