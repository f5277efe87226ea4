"""Variables that the libraries of others read, by their own lists."""

import importlib.util
import re
from pathlib import Path
from typing import Final

from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.credentials import AssumeRoleWithWebIdentityProvider, EnvProvider


def _mlflow() -> set[str]:
    """MLflow's own, read from its list: importing that takes seconds."""
    found = importlib.util.find_spec("mlflow")
    assert found is not None
    assert found.origin is not None
    text = Path(found.origin).with_name("environment_variables.py").read_text()
    return set(re.findall(r"^(MLFLOW_\w+) = ", text, re.MULTILINE))


def _aws() -> set[str]:
    """botocore's: those of its session and of its credentials."""
    names = {name for _, names, *_ in BOTOCORE_DEFAUT_SESSION_VARIABLES.values() for name in _listed(names)}
    roles = AssumeRoleWithWebIdentityProvider._CONFIG_TO_ENV_VAR.values()
    return names | {EnvProvider.ACCESS_KEY, EnvProvider.SECRET_KEY, *EnvProvider.TOKENS} | set(roles)


def _listed(names: str | list[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else names or []


MLFLOW: Final = _mlflow()
AWS: Final = _aws()
REQUESTS: Final = {"REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}
"""https://requests.readthedocs.io/en/latest/user/advanced"""
