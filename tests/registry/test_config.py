from pathlib import Path

import pytest

from registry import BadRegistryConfig, RegistryConfig


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
    assert RegistryConfig.read(tracking_uri, environment).light is light


def test_credentials_come_from_the_variables_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two is taken from either place; no home is no file."""
    file = tmp_path / ".mlflow" / "credentials"
    file.parent.mkdir()
    file.write_text("[mlflow]\nmlflow_tracking_username = filed\nmlflow_tracking_password = a%%b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    named = RegistryConfig.read("http://server", {"MLFLOW_TRACKING_USERNAME": "named"})
    assert (named.username, named.password) == ("named", "a%b")
    file.write_text("[mlflow]\nmlflow_tracking_password = sesame%\n")
    with pytest.raises(BadRegistryConfig, match=r"credentials cannot be read") as raised:
        RegistryConfig.read("http://server", {})
    assert "sesame" not in str(raised.value)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert RegistryConfig.read("http://server", {}).username == ""


def homeless(path: Path) -> Path:
    """What ``Path.expanduser`` does for a user of whom the system knows no home."""
    raise RuntimeError(f"Could not determine home directory for {path}")


def test_no_secret_is_shown() -> None:
    """Neither the address nor what stands in the log tells a password, a token or a key."""
    environment = {
        "MLFLOW_TRACKING_PASSWORD": "sesame",
        "MLFLOW_TRACKING_TOKEN": "sesame",
        "MLFLOW_S3_ENDPOINT_URL": "http://user:sesame@store",
    }
    config = RegistryConfig.read("http://warden:sesame@server", environment)
    assert "sesame" not in repr(config)
    assert config.address == "http://server"


def test_the_variables_of_mlflow_are_read() -> None:
    """TLS, time-out, retries, workspace and the S3 store are taken from where MLflow takes them."""
    config = RegistryConfig.read(
        "https://server",
        {
            "MLFLOW_TRACKING_SERVER_CERT_PATH": "server.pem",
            "MLFLOW_TRACKING_CLIENT_CERT_PATH": "client.pem",
            "MLFLOW_ALLOW_HTTP_REDIRECTS": "False",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "2.5",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
            "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "0",
            "MLFLOW_WORKSPACE": " hills ",
            "MLFLOW_S3_ENDPOINT_URL": "http://store:9000",
            "MLFLOW_S3_IGNORE_TLS": "1",
            "MLFLOW_S3_EXPECTED_BUCKET_OWNER": "12",
            "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual",
        },
    )
    assert (config.verify, config.certificate, config.redirects) == ("server.pem", "client.pem", False)
    assert (config.timeout, config.retries, config.retry_after, config.workspace) == (2.5, 4, False, "hills")
    assert (config.s3_endpoint, config.s3_verify, config.s3_owner) == ("http://store:9000", False, "12")
    assert config.s3_addressing == "virtual"


@pytest.mark.parametrize(
    ("environment", "verify"),
    [
        pytest.param({}, True, id="usual"),
        pytest.param({"MLFLOW_TRACKING_INSECURE_TLS": "TRUE"}, False, id="insecure"),
        pytest.param({"MLFLOW_TRACKING_SERVER_CERT_PATH": ""}, True, id="empty-is-not-set"),
    ],
)
def test_certificates_are_checked_unless_that_is_turned_off(environment: dict[str, str], verify: bool) -> None:
    """An empty variable turns nothing off."""
    assert RegistryConfig.read("https://server", environment).verify is verify


def test_without_variables_there_is_a_time_out() -> None:
    """A server that hangs holds nobody up for MLflow's two minutes."""
    assert RegistryConfig.read("http://server", {}).timeout == 10


@pytest.mark.parametrize("address", ["http://", "http://:5000", "http://server:99999", "http://server:port"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """The message names the variable."""
    with pytest.raises(BadRegistryConfig, match="MLFLOW_TRACKING_URI"):
        RegistryConfig.read(address, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(pytest.param("MLFLOW_HTTP_REQUEST_TIMEOUT", text, id=text) for text in ("soon", "0", "-1", "nan", "inf")),
        pytest.param("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "11", id="too-many"),
        pytest.param("MLFLOW_TRACKING_INSECURE_TLS", "yes", id="no-flag"),
        pytest.param("MLFLOW_S3_IGNORE_TLS", "2", id="no-flag-for-s3"),
    ],
)
def test_a_bad_value_is_refused(name: str, text: str) -> None:
    """The message names the variable."""
    with pytest.raises(BadRegistryConfig, match=name):
        RegistryConfig.read("http://server", {name: text})


def test_two_variables_that_contradict_each_other_are_refused() -> None:
    """MLflow refuses them too: whether to check a certificate has one answer."""
    both = {"MLFLOW_TRACKING_INSECURE_TLS": "1", "MLFLOW_TRACKING_SERVER_CERT_PATH": "server.pem"}
    with pytest.raises(BadRegistryConfig, match="unset one of them"):
        RegistryConfig.read("https://server", both)
