"""Where the order systems answer calls: one file each, a table of routes and a plain function for each of them."""
