"""The search for the least that is enough: bisection, one attempt of it, and what the reference system needed."""
