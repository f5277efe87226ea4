from pathlib import Path

import pytest

from redaction import BadVariable, mend
from redaction.variables import is_secret, of_address, of_arguments, of_environment, of_files

SENT = ["MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "CANOPY_ADMIN_TOKEN"]
SENT += ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "DATABRICKS_TOKEN", "MLFLOW_WORKSPACE"]
ADDRESSES = ["MLFLOW_TRACKING_URI", "MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HTTPS_PROXY", "http_proxy"]


@pytest.mark.parametrize("name", [*SENT, *ADDRESSES])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", " \n"])
def test_a_line_end_is_taken_off(name: str, end: str) -> None:
    """A file mounted from a Secret often has one; its variable is named."""
    environment = {name: f"http://sesame{end}", "PATH": "/bin\n"}
    assert mend(environment) == [name]
    assert environment == {name: "http://sesame", "PATH": "/bin\n"}


@pytest.mark.parametrize("name", [*SENT, *ADDRESSES])
@pytest.mark.parametrize("control", ["\n", "\r", "\x00", "\x1b", "\t"])
def test_a_control_character_is_refused_by_the_name_of_the_variable(name: str, control: str) -> None:
    """The value is not told, not even in part."""
    with pytest.raises(BadVariable, match=f"^{name}: there is a control character") as raised:
        mend({name: f"http://open{control}X-Sesame: 1"})
    assert "open" not in str(raised.value)
    assert "Sesame" not in str(raised.value)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_TOKEN", "AWS_SESSION_TOKEN", "CANOPY_ADMIN_TOKEN"])
def test_what_no_header_carries_is_refused(name: str) -> None:
    """A header takes Latin-1; a password, which goes as base64, takes everything."""
    with pytest.raises(BadVariable, match=f"^{name}: .*no HTTP header"):
        mend({name: "ses€me"})
    assert mend({name: "sésame", "MLFLOW_TRACKING_PASSWORD": "ses€me"}) == []


@pytest.mark.parametrize("address", ["http://warden:se#same@server", "https://warden:se/same@server:80"])
@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_URI", "HTTP_PROXY", "MLFLOW_S3_ENDPOINT_URL"])
def test_a_password_that_takes_an_address_apart_is_refused(name: str, address: str) -> None:
    """Every library would name another part of it as the port."""
    with pytest.raises(BadVariable, match=f"^{name} is no address: percent-encode") as raised:
        mend({name: address})
    assert "same@" not in str(raised.value)


def test_other_addresses_are_left_to_those_who_read_them() -> None:
    """SQLAlchemy takes a password with a slash."""
    assert mend({"MLFLOW_TRACKING_URI": "postgresql://warden:se/same@server/db", "NO_PROXY": "10.0.0.0/8,server"}) == []


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("MLFLOW_TRACKING_TOKEN", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AZURE_CLIENT_SECRET", True),
        ("DB_PWD", True),
        ("OPENAI_API_KEY", True),
        ("--admin-token", True),
        ("PWD", False),
        ("OLDPWD", False),
        ("CANOPY_TLS_KEY", False),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", False),
        ("TOKENIZERS_PARALLELISM", False),
        ("CANOPY_PORT", False),
    ],
)
def test_a_secret_is_known_by_its_name(name: str, secret: bool) -> None:
    """Words between underscores or hyphens decide."""
    assert is_secret(name) is secret


@pytest.mark.parametrize(
    ("address", "found"),
    [
        pytest.param("http://warden:sesame@server", {"sesame"}, id="password"),
        pytest.param("http://warden:s%40il@server", {"s%40il", "s@il"}, id="percent-encoded"),
        pytest.param("postgresql://warden:ses@me@server/db", {"ses", "ses@me"}, id="not-percent-encoded"),
        pytest.param("http://warden:se/same@server", {"se/same", "se", "same"}, id="taken-apart"),
        pytest.param("https://a-long-token@server", {"a-long-token", ""}, id="token-for-a-name"),
        pytest.param("mysql://server/db?user=x&password=sesame", {"sesame"}, id="parameter"),
        pytest.param("models:/BestModelRF@production", set(), id="no-url"),
        pytest.param("http://server:5000", set(), id="no-secret"),
    ],
)
def test_the_secrets_of_an_address(address: str, found: set[str]) -> None:
    """Whichever way it may be taken apart."""
    assert set(of_address(address)) == found


def test_the_secrets_of_an_environment() -> None:
    """By name and in addresses; a short user name, and a switch, are none."""
    environment = {
        "MLFLOW_TRACKING_USERNAME": "warden",
        "AWS_ACCESS_KEY_ID": "AKIA0123456789",
        "AWS_SECRET_ACCESS_KEY": "sesame",
        "SOME_TOKEN": "true",
        "HTTP_PROXY": "warden:barley@proxy:3128",
        "LANG": "C",
    }
    assert set(of_environment(environment)) == {"AKIA0123456789", "sesame", "barley"}


def test_the_secrets_of_a_command_line() -> None:
    """What is behind an option that is called like a secret, and what is in an address."""
    arguments = ["--admin-token", "sesame", "--port", "80", "--api-token=barley", "--tracking-uri=http://a:wheat@b"]
    assert {"sesame", "barley", "wheat"} <= set(of_arguments(arguments))
    assert "80" not in set(of_arguments(arguments))


def test_the_secrets_of_files(tmp_path: Path) -> None:
    """Those that MLflow, requests, boto3 and Databricks would read; what cannot be read is none."""
    files = {
        ".aws/credentials": "[default]\naws_access_key_id = AKIA0123456789\naws_secret_access_key=wheat\n",
        ".mlflow/credentials": "[mlflow]\nmlflow_tracking_username = warden\nmlflow_tracking_password = barley\n",
        ".databrickscfg": "[DEFAULT]\nhost = https://server\ntoken = millet\n",
        ".netrc": 'machine server login warden password sesame\nmachine b login c password "o\\"at"\n',
        "token": "spelt\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    environment = {"HOME": str(tmp_path), "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    environment["AWS_CONFIG_FILE"] = str(tmp_path)
    found = {each.strip() for each in of_files(environment)}
    assert {"AKIA0123456789", "wheat", "barley", "millet", "sesame", 'o"at', "spelt"} <= found
    assert "https://server" not in found
