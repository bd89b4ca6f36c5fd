"""What MLflow's scoring client makes of the service, as JSON."""

import json
import sys

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

host, port = sys.argv[1].split(":")
rows = json.loads(sys.argv[2])
NAMES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]

client = ScoringServerClient(host, int(port))
client.wait_server_ready(timeout=120)
table = pd.DataFrame(rows, columns=NAMES)
mixed = table[NAMES[::-1]].assign(other="x")
given = [table, mixed, np.array(rows), rows]
try:
    client.invoke(table[NAMES[:3]])
    fault = "none"
except Exception as error:  # noqa: BLE001 - it raises nothing more particular
    fault = str(error)
print(  # noqa: T201
    json.dumps(
        {
            "version": client.get_version(),
            "answers": [client.invoke(value).get_predictions()[0].tolist() for value in given],
            "probabilities": client.invoke(table, params={"predict_method": "predict_proba"})
            .get_predictions()
            .to_numpy()
            .tolist(),
            "fault": fault,
        }
    )
)
