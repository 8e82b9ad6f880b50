"""`python -m app.cli`."""

import sys

from app.cli import entry

sys.exit(entry())
