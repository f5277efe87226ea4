"""What each process does first."""

import os

import pytest

from startup import tame_mlflow


def test_mlflow_is_tamed_unless_the_user_says_otherwise() -> None:
    """MLflow neither reports home nor retries for minutes; a variable that is set stays."""
    environment = {"MLFLOW_DISABLE_TELEMETRY": "false"}
    tame_mlflow(environment)
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "false"
    assert environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_an_empty_variable_of_mlflows_counts_as_none() -> None:
    """Compose passes variables without a value as empty ones, at which MLflow would raise."""
    environment = {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": ""}
    tame_mlflow(environment)
    assert environment["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] == "false"
    assert environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"


def test_a_user_whom_the_system_does_not_know_gets_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow asks for a home and a name; what is set stays, and nobody else's is set."""
    known: dict[str, str] = {}
    tame_mlflow(known)
    assert {"HOME", "USER"}.isdisjoint(known)
    monkeypatch.setattr("pwd.getpwuid", dict[int, object]().__getitem__)
    unknown = {"USER": "me"}
    tame_mlflow(unknown)
    assert (unknown["HOME"], unknown["USER"]) == ("/", "me")
