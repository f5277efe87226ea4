"""The model in service."""

from types import SimpleNamespace
from typing import Any

import pytest

from serving import Model, ModelHandle


@pytest.mark.parametrize(
    ("name", "header"),
    [
        pytest.param("BestModelRF", "BestModelRF/3", id="plain"),
        pytest.param("forest cover (v2)", "forest cover (v2)/3", id="printable"),
        pytest.param("Лес", "%D0%9B%D0%B5%D1%81/3", id="not-ascii"),
        pytest.param("a\r\nb%", "a%0D%0Ab%25/3", id="line-break"),
    ],
)
def test_any_name_fits_a_header(name: str, header: str) -> None:
    """Names are sent as they are where a header may carry them, and percent-encoded where not."""
    engine: Any = SimpleNamespace(name="compiled")
    headers = Model(name, "3", engine).headers
    assert headers == {"canopy-model": header, "canopy-engine": "compiled"}
    assert header.isascii()


def test_the_handle_tells_what_it_holds() -> None:
    """Its representation names the model."""
    handle = ModelHandle()
    assert repr(handle) == "<ModelHandle empty>"
    engine: Any = None
    handle.model = Model("A", "1", engine)
    assert repr(handle) == "<ModelHandle A/1>"
