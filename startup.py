"""What each process of Canopy does before anything else: it logs in one form, and has MLflow as Canopy wants it."""

import logging
import os
import pwd
from collections.abc import MutableMapping
from typing import Final

MENDED: Final = "%s: the line end behind it is left out"
"""What the log says of a variable that ``redaction.start`` has mended."""


def tame_mlflow(environment: MutableMapping[str, str]) -> None:
    """Set MLflow's own variables as Canopy wants them, where the user has not; call it before MLflow is imported.

    An empty one counts as none, which MLflow would take for a bad value.
    """
    wanted = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # What MLflow prints there has the tracking server's password in it.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        # A server that is down is reported within seconds, not after minutes of silent retries.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    }
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        # Containers run as users of whom the system knows neither a name nor a home, which MLflow cannot do without.
        wanted |= {"HOME": "/", "USER": str(os.getuid())}
    for name, value in wanted.items():
        environment[name] = environment.get(name) or value


def start_logging(level: str, worker: int | None = None) -> None:
    """Log to the standard error: what Canopy has to say from ``level`` on, and the warnings of others.

    Args:
        level: a name of ``logging``'s.
        worker: the index of this worker, which each line tells; None for another process.
    """
    who = "" if worker is None else f"worker {worker} "
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s %(levelname)s {who}%(name)s: %(message)s")
    logging.captureWarnings(True)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retries end in an error that we report
    logging.getLogger("canopy").setLevel(level.upper())
