"""What a model URI means now: what a tracking server or a store is asked, and the version that it names.

Nothing here fetches an artifact, and only what asks a store that is no server imports MLflow.
"""
