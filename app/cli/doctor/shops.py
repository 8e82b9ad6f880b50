"""What each store and each source comes to: facts in, findings out. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from app.cli.doctor.lines import Finding, look, many, note, ok
from app.cli.doctor.machine import weak
from app.orders import spell
from app.render import feedings
from app.settings import Oidc, Settings, Source, Store, safe


class Trade(Struct, frozen=True, kw_only=True):
    """What Redis knows of a home. `now`: its open orders in Now; `accounts`: those that may sign in to it."""

    open: int
    now: int
    screens: int
    on: int
    accounts: int


class Fed(Struct, frozen=True, kw_only=True):
    """What Redis knows of a source. `recent`: entries in quarantine of the last day."""

    row: feedings.Source
    recent: int
    follows: int


class Setup(Struct, frozen=True, kw_only=True):
    """How a source is set up. `reach`: why its base_url takes no connection, "" where it does; `able`: could an order
    be asked for?; `needed`: is nothing heard unless it is asked for?; `twins`: other sources with the same secret."""

    polls: bool
    needed: bool
    able: bool
    reach: str = ""
    twins: tuple[str, ...] = ()


# ---- the stores ----


def store(home: Store, sources: Sequence[Source], trade: Trade | None, oidc: Oidc | None, now: float) -> list[Finding]:
    found = [ok(f"{datetime.fromtimestamp(now, UTC).astimezone(home.zone):%H:%M} there ({home.timezone})")]
    if trade is None:
        found.append(note("its orders and accounts could not be looked at"))
    else:
        found += _trade(home, trade, oidc)
    if not sources:
        found.append(note("no source brings it orders: only those entered by hand"))
    elif home.latitude is None or home.longitude is None:
        found.append(note("no latitude and longitude: maps don't show it, and nobody can be told to be near"))
    return found


def _trade(home: Store, trade: Trade, oidc: Oidc | None) -> list[Finding]:
    screens = many(trade.screens, "screen") + (f" ({trade.on} on)" if trade.screens else "")
    said = f"{many(trade.open, 'open order')}, {trade.now} in Now, {screens}, {many(len(home.bays), 'bay')}"
    found = [ok(said)]
    granted = oidc is not None and any(grant.role == "admin" or home.id in grant.stores for grant in oidc.grants)
    if trade.accounts or granted:
        elsewhere = ", and others by OpenID Connect" if granted else ""
        found.append(ok(f"{many(trade.accounts, 'account')} may sign in{elsewhere}"))
    else:
        found.append(look(f"nobody may sign in to it: `orderboard user add NAME --role manager --store {home.id}`"))
    return found


def homeless(count: int) -> Finding:
    return look(
        f"{many(count, 'open order')} of no store, so no board shows them: see which store they name in "
        "/admin/quarantine, set store_ids, then `orderboard replay --all`"
    )


# ---- the sources ----


def source(feed: Source, made: Setup, fed: Fed | None, settings: Settings, now: float) -> list[Finding]:
    found = _asked(feed, made)
    if weak(feed.secret):
        found.append(look("its secret is the example file's or can be guessed: agree on another one"))
    if made.twins:
        found.append(note(f"{', '.join(made.twins)} has the same secret: who has one can speak for the other"))
    if fed is None:
        return [*found, note("what it sent could not be looked at")]
    return [_heard(feed, made, fed, settings, now), *_left(fed), *found]


def _asked(feed: Source, made: Setup) -> list[Finding]:
    """Can it be asked, and by a safe way?"""
    found = []
    if not feed.base_url:
        if made.needed:
            found.append(look("no base_url, and nothing is heard unless it is asked for: set base_url and its keys"))
        elif made.polls:
            found.append(note("no base_url: orders that fall silent can't be looked up"))
        return found
    if made.polls and not made.able:
        found.append(look("base_url is set and its keys are not: it is never asked. Its page in docs/ names them"))
    if not safe(feed.base_url):
        found.append(look("base_url is not https: its keys and orders travel readable"))
    if made.reach:
        found.append(look(f"base_url takes no connection ({made.reach}): check it, the firewall and its status page"))
    return found


def _heard(feed: Source, made: Setup, fed: Fed, settings: Settings, now: float) -> Finding:
    row, label = fed.row, fed.row.mark[2]
    since = spell(now - row.last) if row.last is not None else ""
    usual = f", usually every {spell(row.usual)}" if row.usual else ""
    hook = f"{settings.server.public_url}/hooks/{feed.id}"
    kind = feedings.state(row, now)
    if kind == "down":
        return look(f"{label} does not answer when asked: see its last error in /admin/feeds, check base_url and keys")
    if kind == "silent":
        return look(f"nothing heard for {since}{usual}: ask {label} whether it still sends, and to {hook}")
    if kind == "failing":
        return note("polls have failed in the last quarter of an hour, it goes on trying: see /admin/feeds")
    if kind == "young":
        how = "have orders followed (POST /api/orders)" if made.needed else f"have {label} send to {hook}"
        return note(f"nothing was ever heard of it: {how}")
    way = "polled" if made.needed else "pushed and polled" if row.asked else "pushed"
    last = f"last event {since} ago{usual}" if since else f"no event yet, {many(row.polls, 'poll')} in 24 h"
    return ok(f"{last}; {way}")


def _left(fed: Fed) -> list[Finding]:
    """What waits: in the poller's queue, in quarantine, for a person."""
    found = []
    if fed.follows:
        found.append(ok(f"{many(fed.follows, 'order')} followed"))
    if fed.recent:
        found.append(
            look(
                f"{fed.recent} of {fed.row.held} in quarantine came in the last day: see why in /admin/quarantine, "
                "then `orderboard replay --all`"
            )
        )
    elif fed.row.held:
        found.append(note(f"{fed.row.held} in quarantine, none of the last day: see /admin/quarantine"))
    if calls := len(fed.row.calls):
        needs = "calls need a person" if calls > 1 else "call needs a person"
        found.append(look(f"{calls} {needs}: see /admin/feeds, then `orderboard replay --calls`"))
    return found
