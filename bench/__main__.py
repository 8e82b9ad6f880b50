"""Every figure, or those whose file is named: `python -m bench fanout`."""

import sys

from bench import board, fanout, moving, phone, polls, way

PARTS = {
    "fanout": fanout.main,
    "way": way.main,
    "polls": polls.main,
    "board": board.main,
    "phone": phone.main,
    "moving": moving.main,
}

for name in sys.argv[1:] or PARTS:
    PARTS[name]()
