"""The tables of the documents: which command measures each, and how it is written there; ``make figures``."""
