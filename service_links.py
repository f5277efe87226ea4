"""Variables that nobody set: addresses of services, which a platform puts into the environment of every container.

A Service named canopy gives each pod of its namespace CANOPY_PORT=tcp://10.96.12.7:8000, CANOPY_SERVICE_HOST and more
(https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables). Kubernetes took these names
from Docker's links (https://docs.docker.com/engine/network/links/#environment-variables), which have still others.
"""

import re
from collections.abc import Mapping
from typing import Final

_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://\S*:\d+", re.ASCII)
"""The value of NAME_PORT, and of NAME_PORT_8000_TCP."""

_LINK: Final = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|ADDR|PORT|START|END|PORT_START|PORT_END))?)",
    re.ASCII,
)
"""Names that are a link's, whatever their value."""

_DOCKER_NAME: Final = re.compile(r"/[^/]+/[^/]+")
"""The value of NAME_NAME: the container that is linked, and what it is called there. Docker passes that container's own
variables on as NAME_ENV_…."""


def service_links(environment: Mapping[str, str], prefix: str) -> set[str]:
    """The variables with a prefix that a platform has set for a service whose name begins alike.

    Args:
        environment: all variables.
        prefix: such as CANOPY_, for services named canopy, canopy-http, ….
    """
    ours = {name: value for name, value in environment.items() if name.startswith(prefix)}
    docker = tuple(
        f"{name.removesuffix('_NAME')}_ENV_"
        for name, value in ours.items()
        if name.endswith("_NAME") and _DOCKER_NAME.fullmatch(value)
    )
    return {
        name
        for name, value in ours.items()
        if _LINK.fullmatch(name)
        or (name.endswith("_PORT") and _ADDRESS.fullmatch(value))
        or (name.endswith("_NAME") and _DOCKER_NAME.fullmatch(value))
        or name.startswith(docker)
    }
