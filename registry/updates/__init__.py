"""Which version is to be served, now and later: a watcher that looks, a finder that it asks, a child that prepares.

It runs in the process that serves or supervises, so nothing here imports MLflow or scikit-learn.
"""
