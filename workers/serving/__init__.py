"""What a worker is: the process that serves, where its model comes from, and how a version gets into it.

The supervisor, and whatever else of ``workers`` it needs, must not import this: it stays small.
"""
