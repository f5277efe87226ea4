"""HTTP/1.1 as uvicorn's parser reads it: connections and their limits, taking them from the socket, and how they end.

It knows no model: what a request is about is the application's, or the fast path's.
"""
