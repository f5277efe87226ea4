"""KServe's client over HTTP, for a model that is called as its InferenceService; run by an interpreter that has it.

usage: python tests/clients/kserve_rest.py ADDRESS NAME FEATURES_AS_JSON LABELS_AS_JSON
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

HTTP, NAME = f"http://{sys.argv[1]}", sys.argv[2]
FEATURES, LABELS = np.array(json.loads(sys.argv[3]), np.float32), json.loads(sys.argv[4])


async def main() -> None:
    """Both versions of the protocol."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_ready(HTTP)
    assert await client.is_model_ready(HTTP, NAME)
    tensor = InferInput("features", list(FEATURES.shape), "FP32")
    tensor.set_data_from_numpy(FEATURES, binary_data=False)
    answer = await client.infer(HTTP, InferRequest(model_name=NAME, infer_inputs=[tensor]), model_name=NAME)
    assert answer.model_name == NAME
    assert answer.outputs[0].as_numpy().ravel().tolist() == LABELS
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    answer = await client.infer(HTTP, {"instances": FEATURES.tolist()}, model_name=NAME)
    assert answer == {"predictions": LABELS}


asyncio.run(main())
