"""Triton's clients, as their users write it; run by an interpreter that has them.

usage: python tests/clients/triton.py HTTP_ADDRESS GRPC_ADDRESS MODEL FEATURES_AS_JSON LABELS_AS_JSON
"""

import asyncio
import json
import sys
from types import ModuleType
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

HTTP, GRPC, MODEL = sys.argv[1:4]
FEATURES, LABELS = np.array(json.loads(sys.argv[4])), json.loads(sys.argv[5])


def inputs(kind: ModuleType, datatype: Any, *, binary: bool) -> list[Any]:  # noqa: ANN401 - numpy's own
    """One tensor for all rows."""
    values = FEATURES.astype(datatype)
    names = {np.float32: "FP32", np.float64: "FP64"}
    tensor = kind.InferInput("features", list(values.shape), names[datatype])
    if kind is tritonclient.http:
        tensor.set_data_from_numpy(values, binary_data=binary)
    else:
        tensor.set_data_from_numpy(values)
    return [tensor]


def fields(kind: ModuleType, names: list[str]) -> list[Any]:
    """A tensor for each field, as the metadata name them; the last one by names of its categories."""
    tensors = []
    for number, name in enumerate(names):
        values = FEATURES[:, number : number + 1].astype(np.float64)
        tensor = kind.InferInput(name, list(values.shape), "FP64")
        tensor.set_data_from_numpy(values)
        tensors.append(tensor)
    return tensors


def wanted(kind: ModuleType, *, binary: bool) -> list[Any]:
    """Both outputs."""
    more = {"binary_data": binary} if kind is tritonclient.http else {}
    return [kind.InferRequestedOutput(name, **more) for name in ("predict", "predict_proba")]


def check(result: Any) -> None:  # noqa: ANN401 - any client's
    """The labels are right; the probabilities, where there are some, agree with them."""
    assert result.as_numpy("predict").ravel().tolist() == LABELS
    if (probabilities := result.as_numpy("predict_proba")) is not None:
        assert probabilities.shape[0] == len(LABELS)


def sync(kind: ModuleType, address: str) -> None:
    """The blocking client."""
    client = kind.InferenceServerClient(address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert not client.is_model_ready("Other") if kind is tritonclient.http else True
    metadata = client.get_model_metadata(MODEL)
    names = (
        [tensor["name"] for tensor in metadata["inputs"]]
        if kind is tritonclient.http
        else [tensor.name for tensor in metadata.inputs]
    )
    for datatype in (np.float32, np.float64):
        for binary in (True, False):
            check(client.infer(MODEL, inputs(kind, datatype, binary=binary)))
            asked = wanted(kind, binary=binary)
            check(client.infer(MODEL, inputs(kind, datatype, binary=binary), outputs=asked, request_id="one"))
    check(client.infer(MODEL, fields(kind, names), timeout=30_000_000))
    pending = client.async_infer(MODEL, inputs(kind, np.float32, binary=True)) if kind is tritonclient.http else None
    if pending is not None:
        check(pending.get_result())
    try:
        client.infer("Other", inputs(kind, np.float32, binary=True))
    except InferenceServerException as error:
        assert "no model 'Other' is served here" in str(error)  # noqa: PT017 - no pytest here
    else:
        raise AssertionError("it answered for another model")
    client.close()


async def aio(kind: ModuleType, module: ModuleType, address: str) -> None:
    """The client for asyncio."""
    client = module.InferenceServerClient(address)
    assert await client.is_server_ready()
    assert await client.is_model_ready(MODEL)
    answers = await asyncio.gather(*(client.infer(MODEL, inputs(kind, np.float32, binary=True)) for _ in range(20)))
    for answer in answers:
        check(answer)
    await client.close()


sync(tritonclient.http, HTTP)
sync(tritonclient.grpc, GRPC)
asyncio.run(aio(tritonclient.http, tritonclient.http.aio, HTTP))
asyncio.run(aio(tritonclient.grpc, tritonclient.grpc.aio, GRPC))
