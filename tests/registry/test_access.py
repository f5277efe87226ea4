from pathlib import Path

import pytest

from registry import Access, BadAccess


@pytest.mark.parametrize(
    ("tracking_uri", "environment", "light"),
    [
        pytest.param("http://server:5000", {}, True, id="http"),
        pytest.param("https://server/mlflow", {}, True, id="https"),
        pytest.param("http://server", {"MLFLOW_TRACKING_AUTH": "kubernetes"}, False, id="plugin"),
        pytest.param("http://server", {"MLFLOW_TRACKING_AWS_SIGV4": "true"}, False, id="signed-for-aws"),
        pytest.param("http://server", {"MLFLOW_TRACKING_AWS_SIGV4": "false"}, True, id="not-signed-for-aws"),
        pytest.param("sqlite:///mlflow.db", {}, False, id="sqlite"),
        pytest.param("postgresql://server/mlflow", {}, False, id="postgresql"),
        pytest.param("databricks", {}, False, id="databricks"),
    ],
)
def test_what_only_mlflow_can_speak_to_is_left_to_it(
    tracking_uri: str, environment: dict[str, str], light: bool
) -> None:
    """A tracking server that wants no plugin is for our own client, all else for MLflow's."""
    assert Access.read(tracking_uri, environment).light is light


def credentials(folder: Path) -> dict[str, str]:
    """A home with the file that MLflow reads."""
    (folder / ".mlflow").mkdir()
    (folder / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = filed\nmlflow_tracking_password = a%%b\n"
    )
    return {"HOME": str(folder)}


def test_credentials_come_from_the_address_before_the_variables_before_the_file(tmp_path: Path) -> None:
    """Each of the three places is read, in this order."""
    filed = credentials(tmp_path)
    named = filed | {"MLFLOW_TRACKING_USERNAME": "named", "MLFLOW_TRACKING_PASSWORD": "secret"}
    places = [("http://addressed:s%40il@server", named), ("http://server", named), ("http://server", filed)]
    found = [Access.read(uri, environment) for uri, environment in places]
    assert [(each.username, each.password) for each in found] == [
        ("addressed", "s@il"),
        ("named", "secret"),
        ("filed", "a%b"),
    ]


def test_no_secret_is_shown() -> None:
    """Neither the address nor what stands in the log tells a password, a token or a key."""
    environment = {
        "MLFLOW_TRACKING_PASSWORD": "sesame",
        "MLFLOW_TRACKING_TOKEN": "sesame",
        "MLFLOW_S3_ENDPOINT_URL": "http://user:sesame@store",
        "HTTPS_PROXY": "http://user:sesame@proxy",
    }
    access = Access.read("http://warden:sesame@server", environment)
    assert "sesame" not in repr(access)
    assert access.address == "http://server"


def test_the_variables_of_mlflow_are_read() -> None:
    """TLS, time-out, workspace and the S3 store are taken from where MLflow takes them."""
    access = Access.read(
        "https://server",
        {
            "MLFLOW_TRACKING_INSECURE_TLS": "True",
            "MLFLOW_TRACKING_SERVER_CERT_PATH": "server.pem",
            "MLFLOW_TRACKING_CLIENT_CERT_PATH": "client.pem",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "2.5",
            "MLFLOW_WORKSPACE": " hills ",
            "MLFLOW_S3_ENDPOINT_URL": "http://store:9000",
            "MLFLOW_S3_IGNORE_TLS": "1",
            "AWS_CA_BUNDLE": "store.pem",
            "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual",
            "https_proxy": "http://small",
            "HTTPS_PROXY": "http://LARGE",
            "NO_PROXY": "localhost",
        },
    )
    assert (access.verify, access.authorities, access.certificate) == (False, "server.pem", "client.pem")
    assert (access.timeout, access.workspace) == (2.5, "hills")
    assert (access.s3_endpoint, access.s3_verify, access.s3_authorities) == ("http://store:9000", False, "store.pem")
    assert access.s3_addressing == "virtual"
    assert access.proxies == {"https": "http://small", "no": "localhost"}


def test_without_variables_there_is_a_time_out() -> None:
    """A server that hangs holds nobody up for MLflow's two minutes."""
    assert Access.read("http://server", {}).timeout == 10


@pytest.mark.parametrize("address", ["http://", "http://:5000", "http://server:99999", "http://server:port"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """The message names the variable."""
    with pytest.raises(BadAccess, match="MLFLOW_TRACKING_URI"):
        Access.read(address, {})


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_bad_time_out_is_refused(text: str) -> None:
    """The message names the variable."""
    with pytest.raises(BadAccess, match="MLFLOW_HTTP_REQUEST_TIMEOUT"):
        Access.read("http://server", {"MLFLOW_HTTP_REQUEST_TIMEOUT": text})
