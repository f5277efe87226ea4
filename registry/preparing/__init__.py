"""A version downloaded, read, compiled and compared: what takes MLflow, scikit-learn and their memory.

Only the child process runs it.
"""
