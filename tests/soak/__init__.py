"""The whole product for a while, under every fault that was ever found, in random order: ``make soak``.

Real parts only: an MLflow server, an S3 store, training's own command, the server with its workers, and clients that
keep their connections. Everything that is seen goes to one ledger, which knows what is allowed when.
"""
