"""A common request for a prediction, past ASGI: an optimisation that could be removed without a change of behaviour."""
