"""Settings from options and variables."""

import re

import pytest

from settings import Settings, SettingsError, describe, ignored_variables, option, variable
from tests.conftest import ROOT
from tests.test_service_links import kubernetes


def test_the_defaults_are_those_of_the_readme() -> None:
    """Each setting stands in the table of docs/settings.md with its option, its variable and its default."""
    table = (ROOT / "docs" / "settings.md").read_text()
    for name, default, meaning in describe():
        row = re.search(rf"^\| `{re.escape(option(name))}` \|.*$", table, re.MULTILINE)
        assert row is not None, f"{option(name)} is not in the table"
        assert f"`{variable(name)}`" in row[0]
        assert f"| {default} |" in row[0]
        assert meaning in row[0]


def test_options_come_before_variables() -> None:
    """A variable sets what no option sets; an empty one sets nothing."""
    environment = {"CANOPY_PORT": "1", "CANOPY_HOST": "::1", "CANOPY_ENGINE": ""}
    settings = Settings.read(["--port", "2"], environment)
    assert (settings.port, settings.host, settings.engine) == (2, "::1", "auto")


def test_mlflows_own_variable_names_the_store() -> None:
    """MLFLOW_TRACKING_URI is read where MLflow's users expect it."""
    assert Settings.read([], {"MLFLOW_TRACKING_URI": "http://mlflow:5000"}).tracking_uri == "http://mlflow:5000"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        pytest.param(["--port", "many"], {}, "--port: Expected `int`", id="not-a-number"),
        pytest.param([], {"CANOPY_PORT": "65536"}, "CANOPY_PORT: Expected `int` <= 65535", id="out-of-range"),
        pytest.param([], {"CANOPY_COLUMNS": "uci"}, "CANOPY_COLUMNS is CANOPY_SCHEMA now", id="renamed"),
        pytest.param([], {"CANOPY_MAX_WAIT_MS": "nan"}, "CANOPY_MAX_WAIT_MS", id="nan"),
        pytest.param([], {"CANOPY_DEADLINE_MS": "0"}, "CANOPY_DEADLINE_MS: Expected `float` > 0", id="zero"),
        pytest.param(
            [], {"CANOPY_BATCHING": "maybe"}, r"CANOPY_BATCHING: is none of on, off \(got 'maybe'\)", id="word"
        ),
        pytest.param(
            ["--max-rows-per-request", "2000"], {}, "--max-rows-per-request: 2000 is above 1024", id="above-batch"
        ),
        pytest.param(
            [], {"CANOPY_MAX_ROWS_PER_REQUEST": "50", "CANOPY_MAX_QUEUE_ROWS": "20"}, "MAX_QUEUE_ROWS", id="above-queue"
        ),
        pytest.param(
            ["--drain-idle-seconds", "20"],
            {"CANOPY_DRAIN_TIMEOUT_SECONDS": "10"},
            r"--drain-idle-seconds: 20.0 is above 10.0, CANOPY_DRAIN_TIMEOUT_SECONDS \(10.0\)",
            id="longer-than-the-whole",
        ),
        pytest.param(
            ["--cors-origins", "app.example"], {}, "--cors-origins: 'app.example' is no origin, as", id="no-scheme"
        ),
        pytest.param(
            [], {"CANOPY_CORS_ORIGINS": "https://a, https://b/"}, "CANOPY_CORS_ORIGINS: 'https://b/' is", id="slash"
        ),
        pytest.param([], {"CANOPY_CORS_ORIGINS": "https://A.example"}, "is no origin", id="upper-case"),
        pytest.param([], {"CANOPY_CORS_ORIGINS": "https://me@a"}, "is no origin", id="user"),
        pytest.param([], {"CANOPY_CORS_ORIGINS": "https://a:99999"}, "is no origin", id="no-port"),
        pytest.param([], {"CANOPY_CORS_ORIGINS": "null"}, "'null' is no origin", id="no-origin"),
        pytest.param([], {"CANOPY_CORS_ORIGINS": "https://a:443"}, "browsers leave out :443", id="usual-port"),
        pytest.param([], {"CANOPY_CORS_ORIGINS": "*,https://a"}, r"\* is every origin", id="all-and-some"),
    ],
)
def test_a_bad_value_names_its_key(arguments: list[str], environment: dict[str, str], message: str) -> None:
    """The message begins with the option or variable that carries the value."""
    with pytest.raises(SettingsError, match=message):
        Settings.read(arguments, environment)


@pytest.mark.parametrize(
    ("environment", "rows"),
    [
        pytest.param({}, 1000, id="default"),
        pytest.param({"CANOPY_MAX_BATCH_ROWS": "64"}, 64, id="small-batches"),
        pytest.param({"CANOPY_MAX_QUEUE_ROWS": "32"}, 32, id="small-queue"),
        pytest.param({"CANOPY_MAX_ROWS_PER_REQUEST": "5"}, 5, id="set"),
    ],
)
def test_rows_per_request_never_exceed_a_batch_or_the_queue(environment: dict[str, str], rows: int) -> None:
    """Unless it is set, the limit is 1000 or whatever is lower."""
    assert Settings.read([], environment).max_rows_per_request == rows


def test_a_short_drain_shortens_its_parts() -> None:
    """Unless it is set, the time of idle connections is five seconds or whatever a drain may take."""
    assert Settings.read([], {}).drain_idle_seconds == 5
    assert Settings.read([], {"CANOPY_DRAIN_TIMEOUT_SECONDS": "1.5"}).drain_idle_seconds == 1.5


def test_origins_are_listed_with_commas() -> None:
    """Blanks around them do not count."""
    given = "https://app.example, http://localhost:3000,http://[::1]:8080 ,chrome-extension://abcdef"
    assert Settings.read(["--cors-origins", given], {}).origins == (
        "https://app.example",
        "http://localhost:3000",
        "http://[::1]:8080",
        "chrome-extension://abcdef",
    )
    assert Settings.read([], {"CANOPY_CORS_ORIGINS": "*"}).origins == ("*",)
    assert Settings.read([], {}).origins == ()


def test_misspelt_variables_are_noticed() -> None:
    """A variable with our prefix that is no setting is named, with the one that it resembles; others are not ours."""
    environment = {"CANOPY_PROT": "1", "CANOPY_PORT": "1", "CANOPY_XYLOPHONE": "1", "PORT": "1"}
    assert ignored_variables(environment) == [
        "CANOPY_PROT is no setting of Canopy's; CANOPY_PORT is (see --help)",
        "CANOPY_XYLOPHONE is no setting of Canopy's (see --help)",
    ]


def test_a_service_of_our_name_sets_nothing() -> None:
    """What Kubernetes sets for a Service named canopy is not read, and one sentence says so with the remedy."""
    links = kubernetes("canopy") | kubernetes("canopy-model")
    assert Settings.read([], links) == Settings.read([], {})
    assert Settings.read([], links | {"CANOPY_PORT": "9000"}).port == 9000
    assert Settings.read(["--port", "9000"], links).port == 9000
    [said] = ignored_variables(links | {"CANOPY_HTTP": "asgi"})
    assert said.startswith("CANOPY_MODEL_PORT and 15 more ignored: Kubernetes ")
    assert "enableServiceLinks: false" in said


def test_help_explains_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names each option with its variable and default."""
    with pytest.raises(SystemExit) as left:
        Settings.read(["--help"], {})
    assert left.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, default, _ in describe():
        assert option(name) in text
        assert f"(default {default}; {variable(name)})" in text
        (value,) = re.findall(rf" {option(name)} ([A-Za-z0-9|]+) ", text)
        assert value.isupper() or "|" in value


def test_vertex_ais_variables_count_where_canopys_own_say_nothing() -> None:
    """Its port and its paths."""
    vertex = {"AIP_HTTP_PORT": "8080", "AIP_PREDICT_ROUTE": "/predict", "AIP_HEALTH_ROUTE": "/health"}
    settings = Settings.read([], vertex)
    assert (settings.port, settings.predict_route, settings.health_route) == (8080, "/predict", "/health")
    assert Settings.read([], {**vertex, "CANOPY_PORT": "9000"}).port == 9000
    assert Settings.read(["--port", "9001"], {**vertex, "CANOPY_PORT": "9000"}).port == 9001
    for name, value in (("AIP_HTTP_PORT", "tcp://x"), ("AIP_PREDICT_ROUTE", "predict")):
        with pytest.raises(SettingsError, match=f"^{name}: "):
            Settings.read([], {name: value})
