"""Variables that a platform injects for services."""

import pytest

from service_links import service_links


def kubernetes(service: str, address: str = "10.96.12.7", port: int = 8000, named: str = "http") -> dict[str, str]:
    """What the kubelet sets for a Service with one port (pkg/kubelet/envvars/envvars.go)."""
    name, named = service.upper().replace("-", "_"), named.upper().replace("-", "_")
    url = f"tcp://{f'[{address}]' if ':' in address else address}:{port}"
    return {
        f"{name}_SERVICE_HOST": address,
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_SERVICE_PORT_{named}": str(port),
        f"{name}_PORT": url,
        f"{name}_PORT_{port}_TCP": url,
        f"{name}_PORT_{port}_TCP_PROTO": "tcp",
        f"{name}_PORT_{port}_TCP_PORT": str(port),
        f"{name}_PORT_{port}_TCP_ADDR": address,
    }


def docker(alias: str) -> dict[str, str]:
    """What Docker sets for a link to a container with a range of ports and a variable of its own."""
    name = alias.upper()
    return {
        f"{name}_NAME": f"/web/{alias}",
        f"{name}_PORT": "udp://172.17.0.5:5432",
        f"{name}_PORT_5432_UDP": "udp://172.17.0.5:5432",
        f"{name}_PORT_5432_UDP_START": "udp://172.17.0.5:5432",
        f"{name}_PORT_5432_UDP_END": "udp://172.17.0.5:5433",
        f"{name}_PORT_5432_UDP_PORT_START": "5432",
        f"{name}_ENV_WORKERS": "4",
    }


@pytest.mark.parametrize(
    "links",
    [
        pytest.param(kubernetes("canopy"), id="service"),
        pytest.param(kubernetes("canopy", "fd00::7"), id="ipv6"),
        pytest.param(kubernetes("canopy-http"), id="like-a-setting"),
        pytest.param(kubernetes("canopy-port"), id="like-the-port"),
        pytest.param(kubernetes("canopy-service", named="service-port"), id="service-named-service"),
        pytest.param(kubernetes("canopy") | kubernetes("canopy-admin-token", port=80), id="several"),
        pytest.param(docker("canopy"), id="docker"),
        pytest.param(docker("canopy_1"), id="compose"),
    ],
)
def test_whatever_a_platform_sets_for_a_service_is_a_link(links: dict[str, str]) -> None:
    """All of it, and nothing else of the environment."""
    others = {
        "CANOPY_HTTP": "asgi",
        "CANOPY_WORKERS": "2",
        "CANOPY_PROT": "9000",
        "KUBERNETES_PORT": "tcp://10.0.0.1:443",
    }
    assert service_links(links | others, "CANOPY_") == links.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("CANOPY_PORT", "8000", id="number"),
        pytest.param("CANOPY_PORT", "", id="empty"),
        pytest.param("CANOPY_PORT", "http://10.96.12.7:8000", id="url"),
        pytest.param("CANOPY_PORT", "tcp://10.96.12.7", id="no-port"),
        pytest.param("CANOPY_MODEL_NAME", "BestModelRF", id="name"),
        pytest.param("CANOPY_MODEL_NAME", "/srv/models/best", id="path"),
        pytest.param("CANOPY_ENV_WORKERS", "4", id="env-without-a-link"),
    ],
)
def test_what_a_person_may_have_set_is_no_link(name: str, value: str) -> None:
    """A value that no platform would write is left to be read, or to be refused."""
    assert service_links({name: value}, "CANOPY_") == set()
