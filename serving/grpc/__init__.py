"""The Open Inference Protocol over gRPC, for servers that are asked to: no process imports it else.

Its requests go through the same queue as all others.
"""
