"""Locust's crowd: its command line, users' connections and shapes, and what its web interface shows of the server.

Only ``locustfile`` imports Locust itself.
"""
