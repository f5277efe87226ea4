"""The machine: processes and ports, control groups, kernel counters, the stack in Docker."""
