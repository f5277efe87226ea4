"""The models that libraries fit, as ``forest.ensemble`` has them: a room each library, which need not be installed."""
