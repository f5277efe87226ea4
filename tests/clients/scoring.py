"""MLflow's client of its model server.

usage: python tests/clients/scoring.py HOST PORT FRAME_AS_JSON LABELS_AS_JSON
"""

import io
import json
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

client = ScoringServerClient(sys.argv[1], int(sys.argv[2]))
client.ping()
answer = client.invoke(pd.read_json(io.StringIO(sys.argv[3]), orient="split")).get_predictions()
assert answer[0].tolist() == json.loads(sys.argv[4])
assert client.get_version()
