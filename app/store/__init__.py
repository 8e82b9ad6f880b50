"""Redis behind one door: orders, links, people, quarantine, and what is due."""
