"""A compiled forest held against the library that made it, and timed beside it."""
