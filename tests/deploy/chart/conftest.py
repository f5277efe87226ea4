"""What the tests of the chart share."""

import functools
from collections.abc import Iterator

import kubernetes_validate
import pytest


@pytest.fixture(scope="session", autouse=True)
def _read_each_schema_once() -> Iterator[None]:
    """Two megabytes of JSON, read again for each object, would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        read = kubernetes_validate.utils.schema_contents
        patch.setattr(kubernetes_validate.utils, "schema_contents", functools.cache(read))
        yield
