"""A prepared version opened as an engine, in the process that serves it."""
