"""Every figure, or those whose file is named: `python -m bench fanout`."""

import sys

from bench import board, fanout, polls, way

PARTS = {"fanout": fanout.main, "way": way.main, "polls": polls.main, "board": board.main}

for name in sys.argv[1:] or PARTS:
    PARTS[name]()
