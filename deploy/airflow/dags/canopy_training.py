"""Train a forest, and put it into production if it is better: docs/training-pipeline.md tells what each step does.

The tasks run ``python -m training.pipeline STEP`` of Canopy's own environment, and know nothing else of Canopy:
Airflow's packages and Canopy's exclude each other. Which Python that is, the Airflow variable ``canopy_python`` says.
It is no parameter of the DAG, for whoever may start the DAG could then run any program.
"""

import json
import logging
import os
import shlex
import subprocess
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import Any, Final

from airflow.sdk import Param, TriggerRule, Variable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

logger = logging.getLogger("canopy.airflow")

PARAMETERS: Final = {
    "name": Param("BestModelRF", type="string", minLength=1, description="Registered model in MLflow."),
    "data": Param(
        "sample",
        type="string",
        pattern="^(sample|full|/.+)$",
        description="sample (bundled), full (downloaded by scikit-learn), or the absolute path of a CSV file.",
    ),
    "trees": Param(100, type="integer", minimum=1, description="Number of trees."),
    "depth": Param(20, type="integer", minimum=1, description="Greatest depth of a tree."),
    "seed": Param(42, type="integer", description="Seed of the split into training and held-out rows, and the forest."),
    "metric": Param(
        "accuracy",
        type="string",
        enum=["accuracy", "balanced_accuracy", "f1_macro"],
        description="Score on the held-out rows by which versions are compared.",
    ),
    "margin": Param(
        0.0,
        type="number",
        minimum=0,
        maximum=1,
        description="By how much the score has to be better than that of the version in production. 0: by anything.",
    ),
    "promote_again": Param(
        False, type="boolean", description="Promote a version though it was rolled back once, if it is better."
    ),
    "alias": Param("production", type="string", minLength=1, description="Alias that the promoted version gets."),
    "stage": Param(
        "Production",
        type="string",
        enum=["Production", "Staging", "none"],
        description="Stage that it gets too, for servers that follow one; none: the alias only.",
    ),
    "servers": Param(
        ["http://127.0.0.1:8000"],
        type="array",
        minItems=1,
        items={"type": "string", "pattern": "^https?://"},
        description="Address of each server, or a host name that stands for all of them; not a balancer's.",
    ),
    "served_within_seconds": Param(
        300, type="integer", minimum=1, maximum=3600, description="Longest time until all servers serve it, in s."
    ),
    "watch_seconds": Param(
        300, type="integer", minimum=1, maximum=21600, description="How long the servers' errors are watched, in s."
    ),
    "allowed_error_rise": Param(
        0.01,
        type="number",
        minimum=0,
        maximum=1,
        description="By how much the share of predictions that fail may rise before the version is rolled back.",
    ),
}

REFUSED: Final = 3
"""The exit status of a step whose answer is no."""

WRONG_OPTIONS: Final = 2


def canopy(module: str, *words: object) -> dict[str, Any]:
    """Run a command of Canopy's and return what it tells, a JSON object, with ``done``: whether the answer is yes.

    What it says on its standard error goes to the task's log. It ends with the task.

    Raises:
        AirflowFailException: it was called wrongly, which another try would not mend.
        AirflowException: it failed, for the reason that is told.
    """
    python = shlex.split(Variable.get("canopy_python", default=os.environ.get("CANOPY_PYTHON", "")))
    if not python:
        raise AirflowFailException(
            "which Python is Canopy's? Set the Airflow variable canopy_python, or CANOPY_PYTHON for the workers, such "
            "as /opt/canopy/.venv/bin/python"
        )
    command = [*python, "-m", module, *map(str, words)]
    logger.info("running %s", shlex.join(command))
    # Airflow's own variables have secrets in them, and its PYTHONPATH leads to other packages.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "PYTHONPATH", "PYTHONHOME"))
    }
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(  # noqa: S603 - the administrator's choice
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - for the type checker
        assert process.stderr is not None  # noqa: S101
        try:
            # One short line comes on the standard output, at the end, which the pipe holds meanwhile.
            for line in process.stderr:
                logger.info("%s", line.rstrip())
            output = process.stdout.read()
            status = process.wait()
        except BaseException:  # a timeout of Airflow's, or somebody has stopped the task
            process.terminate()
            raise
    return _answer(status, output)


def _answer(status: int, output: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(output)
    except ValueError:
        told = {}
    if status not in {0, REFUSED}:
        reason = told.get("message") or told.get("error") or f"it ended with status {status}"
        raise (AirflowFailException if status == WRONG_OPTIONS else AirflowException)(reason)
    return told | {"done": status == 0}


def step(name: str, *words: object, store: bool = False) -> dict[str, Any]:
    """Run a step of ``training.pipeline``; with ``store``, one that turns to the registry."""
    params = parameters()
    options = ("--name", params["name"], "--alias", params["alias"], "--stage", params["stage"]) if store else ()
    return canopy("training.pipeline", name, *words, *options)


def parameters() -> dict[str, Any]:
    """The parameters of this run."""
    return dict(get_current_context()["params"])


def verdict_options() -> list[object]:
    """What decides whether a version is better."""
    params = parameters()
    again = ["--again"] if params["promote_again"] else []
    return ["--metric", params["metric"], "--margin", params["margin"], *again]


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params=PARAMETERS,
    tags=["canopy"],
    doc_md=__doc__,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=15),
    },
)
def canopy_training() -> None:
    """Train, compare, promote, watch, and roll back if need be."""

    @task
    def measure() -> dict[str, Any]:
        """Predictions and errors of each server until now; fails early if an address is wrong."""
        counts = step("measure", "--servers", *parameters()["servers"])
        return {server: each for server, each in counts.items() if server != "done"}

    @task(execution_timeout=timedelta(hours=1))
    def fetch() -> str:
        """The data's digest, once they are read and well-formed."""
        return str(step("fetch", "--data", parameters()["data"])["digest"])

    @task(execution_timeout=timedelta(hours=6))
    def train(digest: str) -> str:
        """The id of the logged model."""
        params = parameters()
        shape = ("--trees", params["trees"], "--depth", params["depth"], "--seed", params["seed"])
        return str(step("train", "--data", params["data"], "--digest", digest, *shape, store=True)["model"])

    @task(execution_timeout=timedelta(hours=1))
    def evaluate(model: str) -> dict[str, Any]:
        """What it and the version in production score on the same held-out rows."""
        return step("evaluate", model, store=True)

    @task
    def register(model: str) -> str:
        """The number of its version."""
        return str(step("register", model, store=True)["version"])

    @task
    def judge(version: str) -> dict[str, Any]:
        """Whether it is better, and why or why not."""
        return step("judge", version, *verdict_options(), store=True)

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def better(judged: dict[str, Any]) -> bool:
        """Go on if it is."""
        logger.info("%s: %s", "promoting it" if judged["done"] else "not promoted", judged["reason"])
        return bool(judged["done"])

    @task(execution_timeout=timedelta(hours=1))
    def prepare(version: str) -> None:
        """Have it compiled where servers find it, and see that it can be."""
        canopy("registry", "prepare", f"models:/{parameters()['name']}/{version}")

    @task
    def promote(version: str) -> str | None:
        """The number of the version that was in production until now, if there was one."""
        promoted = step("promote", version, *verdict_options(), store=True)
        if not promoted["done"]:
            raise AirflowFailException(f"not promoted after all: {promoted['reason']}")
        former = promoted["former"]
        return None if former is None else str(former)

    @task(execution_timeout=timedelta(hours=2))
    def served(version: str) -> None:
        """See that every server serves it."""
        await_served(version)

    @task(execution_timeout=timedelta(hours=7))
    def watch(version: str, earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
        """Compare the errors of the servers with those before the promotion."""
        params = parameters()
        before = ("--before", json.dumps(earlier), json.dumps(later))
        how = ("--seconds", params["watch_seconds"], "--rise", params["allowed_error_rise"])
        watched = step("watch", f"{params['name']}/{version}", *before, *how, "--servers", *params["servers"])
        if not watched["done"]:
            raise AirflowFailException(watched["reason"])
        return watched

    @task(trigger_rule=TriggerRule.ONE_FAILED, retries=5, execution_timeout=timedelta(hours=2))
    def roll_back() -> str:
        """Put the former version back if the new one is not served well, and see that it is served."""
        version = get_current_context()["ti"].xcom_pull(task_ids="register")
        if version is None:
            raise AirflowSkipException("nothing was registered, so that there is nothing to take back")
        reason = f"run {get_current_context()['run_id']}: not served, or with more errors than before"
        taken = step("roll-back", version, "--reason", reason, store=True)
        if not taken["done"]:
            raise AirflowSkipException(taken["reason"])
        await_served(taken["former"])
        return str(taken["reason"])

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
    def outcome() -> str:
        """Say in a sentence what has come of it; a rollback, or a step that failed, fails the run."""
        pull = get_current_context()["ti"].xcom_pull
        if taken := pull(task_ids="roll_back"):
            raise AirflowFailException(taken)
        name = f"{parameters()['name']}/{pull(task_ids='register')}"
        judged, watched = pull(task_ids="judge"), pull(task_ids="watch")
        if watched:
            said = f"{name} is in production, for it is {judged['reason']}; {watched['reason']}"
        elif judged and not judged["done"]:
            said = f"{name} is not promoted: {judged['reason']}"
        else:
            raise AirflowFailException("a step has failed: its log says why")
        logger.info(said)
        return said

    earlier = measure.override(task_id="measure_at_start")()
    later = measure.override(task_id="measure_before_promotion")()
    digest = fetch()
    model = train(digest)
    compared, version = evaluate(model), register(model)
    judged = judge(version)
    watched, taken = watch(version, earlier, later), roll_back()
    promoted, seen = promote(version), served(version)
    earlier >> digest
    compared >> version
    better(judged) >> prepare(version) >> later >> promoted >> seen >> watched
    [promoted, seen, watched] >> taken
    [judged, watched, taken] >> outcome()


def await_served(version: str) -> None:
    """Wait until all servers serve a version.

    Raises:
        AirflowFailException: some do not; the message says which, and what they serve.
    """
    params = parameters()
    within = ("--within", params["served_within_seconds"])
    waited = step("await", f"{params['name']}/{version}", *within, "--servers", *params["servers"])
    if not waited["done"]:
        raise AirflowFailException(waited["reason"])


canopy_training()
