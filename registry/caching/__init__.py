"""The folder of prepared models: its entries, how one is written, locked and found, and a server's own copy.

Nothing here asks a registry.
"""
