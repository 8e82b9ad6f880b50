"""Who may stay: open sockets whose session, link, screen or token has ended are closed, whichever node was told so.

The control channel says at once what to look at again, the number of its notices that one was missed. Who has just
joined is looked at once more, for what ended between being let in and joining; and now and then all are, for what ends
by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Final, TypeVar

import structlog

from app.errors import Away
from app.hub import Hub
from app.mailbox import Mailbox
from app.store.clients import FAILURES
from app.store.control import Control, Notice
from app.store.links import Links
from app.store.people import People
from app.store.screens import Screens
from app.store.tokens import Tokens

log = structlog.get_logger()

COMPARE: Final = 1.0  # seconds between two looks at the number
SWEEP: Final = 10  # looks until all are asked about again
SLICE: Final = 500  # ids asked about at once
AGAIN: Final = 0.5  # seconds until a lost line is tried again

SIGN_IN: Final = 4401
REVOKED: Final = 4403
TRACK: Final = "track:"  # how the groups of tracking pages begin; those of screens are other ones

T = TypeVar("T")
Seated = dict[str, list[Mailbox]]  # by the id of what opened them


class Doorman:
    def __init__(
        self, hub: Hub, control: Control, people: People, links: Links, screens: Screens, tokens: Tokens
    ) -> None:
        self._hub = hub
        self._control = control
        self._people = people
        self._links = links
        self._screens = screens
        self._tokens = tokens
        self._heard = 0  # the number of the last notice that was acted on, with all before it
        self._doubt = True
        self.forgotten: Callable[[str], None] = _nobody  # hears the keys of orders that were asked to be forgotten

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._compare())

    async def _listen(self) -> None:
        while True:
            try:
                async with aclosing(self._control.hear()) as notices:
                    async for notice in notices:
                        await self._noticed(notice)
            except (Away, *FAILURES) as error:
                log.warning("the control channel is away", why=type(error).__name__)
            self._doubt = True
            await asyncio.sleep(AGAIN)

    async def _noticed(self, notice: Notice) -> None:
        if notice.kind == "order":
            self.forgotten(notice.who)
        if notice.number != self._heard + 1:  # a new line, or something was missed on it
            self._doubt = True
            await self._caught_up()
            return
        self._heard = notice.number
        await self.look(notice.kind, notice.who)

    async def _compare(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(COMPARE)
            looks += 1
            fresh = self._hub.newcomers()
            try:
                self._doubt |= looks % SWEEP == 0 or await self._control.number() != self._heard
                if self._doubt:
                    await self._caught_up()
                elif fresh:
                    await self.look(among=fresh)
            except Away as error:
                self._doubt = True
                log.warning("who may stay is unknown", why=str(error))

    async def _caught_up(self) -> None:
        """All are looked at; the number is read first, so that what is said meanwhile counts as missed."""
        number = await self._control.number()
        await self.look()
        self._heard, self._doubt = number, False

    async def look(self, kind: str = "", who: str = "", among: Iterable[Mailbox] | None = None) -> None:
        """Closes the sockets that may not stay: of a kind and an id, or all, or `among` these."""
        if kind in ("", "session", "user"):
            await self._sessions(_wanted(self._hub.seated("session", among), who if kind == "session" else ""))
        if kind in ("", "link", "screen"):
            await self._links_and_screens(_wanted(self._hub.seated("link", among), who))
        if kind in ("", "token"):
            await self._programs(_wanted(self._hub.seated("token", among), who))

    async def _sessions(self, seated: Seated) -> None:
        standing = await _each(list(seated), self._people.standing)
        users = {mark: user for part in standing for mark, user in part.items()}
        for mark, mailboxes in seated.items():
            for mailbox in mailboxes:
                user = users.get(mark)
                if user is None:
                    mailbox.close(SIGN_IN)
                elif not user.sees(mailbox.group.partition(":")[2]):
                    mailbox.close(REVOKED)

    async def _links_and_screens(self, seated: Seated) -> None:
        links = [name for name, mailboxes in seated.items() if mailboxes[0].group.startswith(TRACK)]
        screens = sorted(seated.keys() - set(links))
        ended = [*await _each(links, self._links.ended), *await _each(screens, self._screens.ended)]
        _close(seated, ended)

    async def _programs(self, seated: Seated) -> None:
        _close(seated, await _each(list(seated), self._tokens.ended))


def _close(seated: Seated, ended: Iterable[set[str]]) -> None:
    for name in set[str]().union(*ended):
        for mailbox in seated[name]:
            mailbox.close(REVOKED)


def _nobody(_: str) -> None:
    """Nobody asked to be told."""


def _wanted(seated: Seated, who: str) -> Seated:
    return {name: mailboxes for name, mailboxes in seated.items() if who in ("", name)}


async def _each(names: list[str], ask: Callable[[list[str]], Awaitable[T]]) -> list[T]:
    """The answers for all names, a slice at a time."""
    return [await ask(names[start : start + SLICE]) for start in range(0, len(names), SLICE)]
