"""What is said of oneself."""

from app.web.health import FRESH, fresh

NOW = 1_700_000_000.0


def test_what_was_confirmed_a_moment_ago_is_fresh() -> None:
    assert fresh(NOW - FRESH / 2, NOW)
    assert not fresh(NOW - FRESH, NOW)


def test_what_a_clock_ahead_confirmed_says_nothing_once_it_is_put_back() -> None:
    """Else a board would seem to live for as long as the clock was ahead, whatever has become of Redis."""
    assert not fresh(NOW + 3600, NOW)
