"""Finds a Chromium, or gets one: $CHROMIUM, PATH, Playwright's cache, `playwright install`, apt when root.

As a program it prints the path; without one it says in a line how to get it, and fails."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = (
    "no Chromium was found and none could be installed. Install one (Debian: apt install chromium; "
    "else: .venv/bin/playwright install chromium) or set CHROMIUM to its path."
)


def named() -> str | None:
    said = os.environ.get("CHROMIUM")
    return shutil.which(said) if said else None


def on_path() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def cached() -> str | None:
    roots = [os.environ.get("PLAYWRIGHT_BROWSERS_PATH"), "~/.cache/ms-playwright", "~/Library/Caches/ms-playwright"]
    for root in filter(None, roots):
        for pattern in ("chromium*/*/headless_shell", "chromium*/*/chrome-headless-shell", "chromium*/*/chrome"):
            for path in sorted(Path(root).expanduser().glob(pattern), reverse=True):
                if os.access(path, os.X_OK):
                    return str(path)
    return None


def find() -> str | None:
    return named() or on_path() or cached()


def quietly(*words: str, seconds: int) -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds, check=False)


def get() -> str | None:
    found = find()
    if not found:
        quietly(sys.executable, "-m", "playwright", "install", "--only-shell", "chromium", seconds=300)
        found = cached()
    if not found and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        quietly("apt-get", "update", "-qq", seconds=300)
        quietly("apt-get", "install", "-y", "-qq", "chromium", seconds=900)
        found = on_path()
    return found


if __name__ == "__main__":
    path = get()
    if path is None:
        sys.exit("orderboard: " + ADVICE)
    print(path)
