"""Several worker processes as one: they are kept running, told what to serve, and stopped together.

It knows nothing of what the workers do, and imports little, so that the process that supervises them stays small.
"""

from workers.channel import Channel
from workers.limits import cgroup_memory_left, usable_cpus
from workers.listening import listen
from workers.rollout import RolloutRefused
from workers.slot import WorkerSlot, share_file, share_memory
from workers.supervisor import Supervisor
from workers.supervisor_client import SupervisorClient

__all__ = [
    "Channel",
    "RolloutRefused",
    "Supervisor",
    "SupervisorClient",
    "WorkerSlot",
    "cgroup_memory_left",
    "listen",
    "share_file",
    "share_memory",
    "usable_cpus",
]
