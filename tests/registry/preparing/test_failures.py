import errno

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ReadTimeout

from registry import ModelVersion, RegistryError, StoreUnavailable, UnusableModel
from registry.preparing.failures import told

VERSION = ModelVersion("Forest", "3")


def refused(code: str) -> ClientError:
    """What boto3 raises when a store answers with an error."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")


@pytest.mark.parametrize("how", [pytest.param("cause", id="wrapped"), pytest.param("context", id="while-handled")])
@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        pytest.param(MemoryError(), MemoryError, "", id="memory"),
        pytest.param(ImportError("x.so: Cannot allocate memory"), MemoryError, "", id="memory-for-a-library"),
        pytest.param(OSError(errno.ENOSPC, "full"), OSError, "No space left", id="space"),
        pytest.param(RuntimeError("[Errno 28] No space left on device"), OSError, "No space left", id="space-in-words"),
        pytest.param(refused("AccessDenied"), StoreUnavailable, "s3:GetObject", id="denied"),
        pytest.param(refused("NoSuchKey"), UnusableModel, "cannot be loaded", id="no-such-key"),
        pytest.param(NoCredentialsError(), StoreUnavailable, "set AWS_ACCESS_KEY_ID", id="no-credentials"),
        pytest.param(
            EndpointConnectionError(endpoint_url="http://x"), StoreUnavailable, "MLFLOW_S3_ENDPOINT_URL", id="s3-down"
        ),
        pytest.param(NoConnection(), StoreUnavailable, "MLFLOW_TRACKING_URI", id="server-down"),
        pytest.param(ReadTimeout(), StoreUnavailable, "MLFLOW_TRACKING_URI", id="server-slow"),
        pytest.param(ValueError("odd"), UnusableModel, "Forest/3 cannot be loaded: RuntimeError: outer", id="else"),
    ],
)
def test_the_reason_within_decides(reason: Exception, kind: type[Exception], words: str, how: str) -> None:
    """However deep the reason lies, it is found and told with its remedy."""
    error = RuntimeError("outer")
    setattr(error, f"__{how}__", reason)
    found = told(error, VERSION)
    assert type(found) is kind
    assert words in str(found)
    assert not isinstance(found, RegistryError) or "Forest/3" in str(found)
