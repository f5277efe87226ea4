"""Train, evaluate, register and promote the forest."""
