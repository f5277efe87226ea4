"""Holds manifests against the models in KServe's own package: every field is known, and of the right type.

usage: python tests/clients/kserve_manifests.py FILE...
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve.models
import kubernetes.client.models
import yaml  # type: ignore[import-untyped]

KINDS = {
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): "V1alpha1ServingRuntime",
    ("serving.kserve.io/v1beta1", "InferenceService"): "V1beta1InferenceService",
}
PLAIN: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGT]i?)?")


def faults(value: Any, type_: str, path: str) -> Iterator[str]:  # noqa: ANN401 - YAML
    """What is wrong with a value that is to be of one of OpenAPI's types."""
    if found := re.fullmatch(r"[Ll]ist\[(.+)\]", type_):
        if not isinstance(value, list):
            yield f"{path}: no list"
            return
        for number, each in enumerate(value):
            yield from faults(each, found[1], f"{path}[{number}]")
    elif found := re.fullmatch(r"[Dd]ict[(\[]str, (.+)[)\]]", type_):
        if not isinstance(value, dict):
            yield f"{path}: no map"
            return
        for name, each in value.items():
            yield from faults(each, found[1], f"{path}.{name}")
    elif type_ in PLAIN:
        if not isinstance(value, PLAIN[type_]) or (type_ != "bool" and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {type_}"
    elif type_ == "object":  # an integer or text, as quantities and ports are
        if isinstance(value, str) and "resources" in path and not QUANTITY.fullmatch(value):
            yield f"{path}: {value!r} is no quantity"
    else:
        yield from model_faults(value, type_, path)


def model_faults(value: Any, type_: str, path: str) -> Iterator[str]:  # noqa: ANN401 - YAML
    """What is wrong with a value that is to be one of the packages' models."""
    model = getattr(kserve.models, type_, None) or getattr(kubernetes.client.models, type_)
    if not isinstance(value, dict):
        yield f"{path}: no map"
        return
    known = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
    for name, each in value.items():
        if name in known:
            yield from faults(each, known[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: no field of {type_}"


found: list[str] = []
for file in map(Path, sys.argv[1:]):
    document = yaml.safe_load(file.read_text())
    found += faults(document, KINDS[document["apiVersion"], document["kind"]], file.name)
sys.exit("\n".join(found) or 0)
