"""A client of AWS that is not ours: botocore, with one attempt for each request and READ_TIMEOUT seconds of patience.

It reads a request from each line of stdin, [service, operation, parameters], and writes a line for it: {"answer": ..}
or {"error": ".."}. A parameter {"file": PATH} is the bytes of that file.
"""

import json
import os
import sys

import botocore.config
import botocore.exceptions
import botocore.session

patience = int(os.environ.get("READ_TIMEOUT", "60"))
config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=60, read_timeout=patience)
session = botocore.session.get_session()
clients = {}


def parameter(value):
    if isinstance(value, dict):
        if list(value) == ["file"]:
            with open(value["file"], "rb") as file:
                return file.read()
        return {name: parameter(one) for name, one in value.items()}
    return value


for line in sys.stdin:
    service, operation, parameters = json.loads(line)
    try:
        if service not in clients:
            clients[service] = session.create_client(service, config=config)
        answer = getattr(clients[service], operation)(**parameter(parameters))
        for stream in {"Body", "Payload"} & set(answer):
            answer[stream] = answer[stream].read().decode()
        result = {"answer": answer}
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        result = {"error": str(error)}
    print(json.dumps(result, default=str), flush=True)
