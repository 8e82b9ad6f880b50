"""The doctor's findings, and how they are printed: one line for each thing that was looked at."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

Level = Literal["ok", "note", "look"]
LEVELS: Final = ("ok", "note", "look")  # fine; worth knowing; needs a person
COLOURS: Final = {"ok": "32", "note": "36", "look": "1;31"}


class Finding(Struct, frozen=True):
    level: Level
    words: str


class Line(Struct, frozen=True):
    """What is said of one thing. `name`: which one, where there are several of its kind."""

    kind: str
    name: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        return max((one.level for one in self.findings), key=LEVELS.index, default="ok")

    @property
    def words(self) -> str:
        """The gravest first."""
        return "; ".join(one.words for one in sorted(self.findings, key=lambda one: -LEVELS.index(one.level)))


def ok(words: str) -> Finding:
    return Finding("ok", words)


def note(words: str) -> Finding:
    return Finding("note", words)


def look(words: str) -> Finding:
    return Finding("look", words)


def written(lines: Sequence[Line], *, colour: bool = False) -> list[str]:
    """The lines as they are printed, and what it all comes to."""
    wide = max((len(line.kind) for line in lines), default=0)
    made = []
    for line in lines:
        level = f"{line.level:<4}"
        shown = f"\x1b[{COLOURS[line.level]}m{level}\x1b[0m" if colour else level
        name = f"{line.name}: " if line.name else ""
        made.append(f"{shown}  {line.kind:<{wide}}  {name}{line.words}")
    return [*made, summed(lines)]


def summed(lines: Iterable[Line]) -> str:
    wrong = sum(line.level == "look" for line in lines)
    return f"{wrong} thing{'s need' if wrong > 1 else ' needs'} a person." if wrong else "All is well."


def many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"
