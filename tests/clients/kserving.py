"""KServe's clients, as their users write it; run by an interpreter that has them.

usage: python tests/clients/kserving.py HTTP_ADDRESS GRPC_ADDRESS MODEL FEATURES_AS_JSON LABELS_AS_JSON
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

HTTP, GRPC, MODEL = f"http://{sys.argv[1]}", *sys.argv[2:4]
FEATURES, LABELS = np.array(json.loads(sys.argv[4]), np.float32), json.loads(sys.argv[5])


def request(*, binary: bool) -> InferRequest:
    """One tensor for all rows."""
    tensor = InferInput("features", list(FEATURES.shape), "FP32")
    tensor.set_data_from_numpy(FEATURES, binary_data=binary)
    return InferRequest(model_name=MODEL, infer_inputs=[tensor], request_id="one")


async def rest() -> None:
    """Both versions of the protocol over HTTP."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(HTTP)
    assert await client.is_server_ready(HTTP)
    assert await client.is_model_ready(HTTP, MODEL)
    for binary in (False, True):
        answer = await client.infer(HTTP, request(binary=binary), model_name=MODEL)
        assert answer.id == "one"
        assert answer.outputs[0].as_numpy().ravel().tolist() == LABELS
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    assert await client.is_model_ready(HTTP, MODEL)
    answer = await client.infer(HTTP, {"instances": FEATURES.tolist()}, model_name=MODEL)
    assert answer == {"predictions": LABELS}


async def rpc() -> None:
    """Over gRPC."""
    client = InferenceGRPCClient(url=GRPC)
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready(MODEL)
    for binary in (False, True):
        answer = await client.infer(request(binary=binary))
        assert answer.id == "one"
        assert answer.outputs[0].as_numpy().ravel().tolist() == LABELS
    await client.close()


asyncio.run(rest())
asyncio.run(rpc())
