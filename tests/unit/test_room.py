"""However the words of a store's changes come, its view ends as the store is."""

from collections import deque
from random import Random

import pytest

from app.orders import Order
from app.render import Renderer
from app.room import Room
from app.settings import Store

NOW = 1_800_000_000.0
RENDER = Renderer({"68": Store(id="68", name="Shop", timezone="UTC")}, feeds={}, public_url="")
REFS = ("a", "b", "c")
STEPS = 80


def order(ref: str, rev: int) -> Order:
    return Order(source="lola", provider="lolamarket", ref=ref, first=NOW, rev=rev, stage="preparing", store="68")


class Shot:
    """The store at one moment."""

    def __init__(self, seq: int, revs: dict[str, int]) -> None:
        self.seq = seq
        self.orders = [order(ref, rev) for ref, rev in revs.items()]


class Node:
    """A store that this node and others change, and what this one hears of it: others' words in the order of their
    numbers, answers to its own events in no order but each order's own, what is read as of any moment between."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.seq = self.last = 0
        self.revs = dict.fromkeys(REFS, 0)
        self.here: set[str] = set()
        self.words: deque[tuple[int, str, int, bool]] = deque()  # number, order, rev (0: it left), own
        self.answers: dict[str, deque[tuple[int, int]]] = {ref: deque() for ref in REFS}
        self.room = Room("68", RENDER.panes["board"])
        self.wanted: set[str] = set()
        self.reading: tuple[int, set[str]] | None = None
        self.found: list[Order] | None = None
        self.loading = False
        self.shot: Shot | None = None

    def shown(self) -> dict[str, int]:
        return {ref: self.revs[ref] for ref in self.here}

    def change(self) -> None:
        ref, own = self.rng.choice(REFS), self.rng.random() < 0.5
        self.seq, self.revs[ref] = self.seq + 1, self.revs[ref] + 1
        left = ref in self.here and self.rng.random() < 0.5
        (self.here.discard if left else self.here.add)(ref)
        rev = 0 if left else self.revs[ref]
        self.words.append((self.seq, ref, rev, own))
        if own:
            self.answers[ref].append((self.seq, rev))

    def hear(self) -> None:
        if not self.words:
            return
        self.last, ref, rev, own = self.words.popleft()
        if own:
            return
        if rev == 0:
            self.room.lose(order(ref, 0).key, self.last)
        elif self.room.hear(order(ref, 0).key, rev, self.last):
            self.wanted.add(ref)

    def answer(self) -> None:
        waiting = [ref for ref, answers in self.answers.items() if answers]
        if waiting:
            ref = self.rng.choice(waiting)
            seq, rev = self.answers[ref].popleft()
            if rev:
                self.room.change(order(ref, rev), seq)
            else:
                self.room.lose(order(ref, 0).key, seq)

    def read(self) -> None:
        """Asked, looked up and answered: a step each."""
        if self.reading is None:
            if self.wanted:
                self.reading, self.wanted = (self.last, self.wanted), set()
        elif self.found is None:
            self.found = [order(ref, rev) for ref, rev in self.shown().items() if ref in self.reading[1]]
        else:
            for one in self.found:
                self.room.change(one, self.reading[0])
            self.reading = self.found = None

    def load(self) -> None:
        if not self.loading:
            self.room.begin()
            self.loading = True
        elif self.shot is None:
            self.shot = Shot(self.seq, self.shown())
        else:
            self.room.fill(self.shot, NOW)
            self.loading, self.shot = False, None

    def draw(self) -> None:
        if self.room.loaded:
            self.room.drain(NOW, RENDER)

    def settle(self) -> None:
        while self.loading:
            self.load()
        while self.words or any(self.answers.values()) or self.wanted or self.reading:
            self.rng.choice((self.hear, self.answer, self.read))()
        self.draw()


@pytest.mark.parametrize("seed", range(0, 1500, 50))
def test_any_order_of_words_ends_as_the_store_is(seed: int) -> None:
    for number in range(seed, seed + 50):
        node = Node(Random(number))
        node.load()
        steps = [node.change, node.hear, node.hear, node.answer, node.answer, node.read, node.draw]
        for _ in range(STEPS):
            node.rng.choice([*steps, node.load] if node.loading or node.rng.random() < 0.4 else steps)()
        node.settle()
        wanted = {order(ref, 0).key: rev for ref, rev in node.shown().items()}
        assert node.seq, "nothing changed, so nothing was tested"
        assert node.room.revs == wanted, f"with the seed {number}"
        assert node.room.cards.keys() == wanted.keys(), f"with the seed {number}"


@pytest.mark.parametrize("way", ["its word", "a second read"])
def test_who_was_read_as_back_stays(way: str) -> None:
    """An order left at 3, by this node, and came back at 4, by another. It is read as it is then before word of that
    has come; the answer to the leaving comes last."""
    room, back = Room("68", RENDER.panes["board"]), order("a", 3)
    room.begin()
    room.fill(Shot(1, {"a": 1}), NOW)
    assert room.change(back, 2)
    if way == "its word":
        assert not room.hear(back.key, 3, 4)
    else:
        assert not room.change(back, 4)
    room.lose(back.key, 3)
    room.drain(NOW, RENDER)
    assert room.revs == {back.key: 3}
