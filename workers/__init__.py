"""Several worker processes as one: they are kept running, told what to serve, and stopped together.

It knows nothing of what the workers do, and imports little, so that the process that supervises them stays small.
"""

from workers.channel import Channel
from workers.limits import cgroup_memory_left, usable_cpus
from workers.listening import listen
from workers.proposal import Refused
from workers.seat import Seat, share_file, share_memory
from workers.superior import Superior
from workers.supervisor import Supervisor

__all__ = [
    "Channel",
    "Refused",
    "Seat",
    "Superior",
    "Supervisor",
    "cgroup_memory_left",
    "listen",
    "share_file",
    "share_memory",
    "usable_cpus",
]
