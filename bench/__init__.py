"""The project's own figures: `make bench`. Ratios within one run, one JSON line each."""
