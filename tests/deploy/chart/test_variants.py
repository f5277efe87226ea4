"""Whatever an operator may give is rendered, and valid for every version of Kubernetes and of the other's resources."""

import functools
import json
from typing import Any

import helm_python
import kubernetes_validate
import pytest

from tests.deploy.chart.consistency import faults
from tests.deploy.chart.custom_resources import CUSTOM, misfits
from tests.deploy.chart.rendering import CHART, VARIANTS, Object, render

VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
OLD = {"policy/v1beta1": "policy/v1"}
"""Versions of an API that no cluster of today has → the one with the same fields that took its place."""


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in VARIANTS.items()])
def test_helm_finds_nothing_to_complain_of(values: dict[str, Any]) -> None:
    """Its linter is as strict as it can be, for the version of Kubernetes that the values are for."""
    report = helm_python.lint(CHART, values, strict=True, kube_version=values.get("kubeVersion"))
    assert report["errors"] == []
    assert {message["error"] for message in report["messages"]} <= {"icon is recommended"}


@functools.cache
def distinct() -> set[str]:
    """Each object of all variants, as JSON."""
    return {json.dumps(each, sort_keys=True) for values in VARIANTS.values() for each in render(values)}


@pytest.mark.parametrize("version", VERSIONS)
def test_all_objects_are_what_this_version_of_kubernetes_takes(version: str) -> None:
    """No field is unknown to it, and each has its type; what is the same in several variants is looked at once."""
    for text in distinct():
        found: Object = json.loads(text)
        if found["kind"] not in CUSTOM:
            found["apiVersion"] = OLD.get(found["apiVersion"], found["apiVersion"])
            assert kubernetes_validate.validate(found, version, strict=True) == version


@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in VARIANTS.items()])
def test_all_objects_fit_each_other(values: dict[str, Any]) -> None:
    """Nothing that schemas cannot see is wrong, and custom resources have only fields that their operators know."""
    objects = render(values)
    assert faults(objects) == []
    assert [misfit for each in objects if each["kind"] in CUSTOM for misfit in misfits(each)] == []


def test_the_variants_reach_every_file_of_the_chart() -> None:
    """A template that no variant renders would be held against nothing."""
    kinds = {each["kind"] for values in VARIANTS.values() for each in render(values)}
    templates = {path.stem for path in (CHART / "templates").glob("*.yaml")}
    assert {kind.lower() for kind in kinds} == templates
