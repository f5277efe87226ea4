"""The whole product, from its command line to a client's answer."""
