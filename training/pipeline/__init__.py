"""Training in steps, each a command of its own, for a scheduler: what is new is held against what is in production."""
