"""What can be seen of the DAG without Airflow."""

import ast
import sys

from tests.conftest import ROOT

DAG = ROOT / "deploy" / "airflow" / "dags" / "canopy_training.py"


def test_the_dag_imports_nothing_but_airflow_and_the_standard_library() -> None:
    """Airflow parses the file every few seconds, in an environment that has neither Canopy nor what models need."""
    roots = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(DAG.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)])
    }
    assert roots - sys.stdlib_module_names == {"airflow"}
