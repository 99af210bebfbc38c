"""GetCallerIdentity by botocore with the credentials of each line of stdin, [key id, secret, token], to AWS_ENDPOINT_URL_STS.

It writes a line for each: {"answer": ..} or {"error": CODE}. With a fourth element, the request is changed after it was signed.
"""

import json
import sys

import botocore.config
import botocore.exceptions
import botocore.session

config = botocore.config.Config(retries={"total_max_attempts": 1})


def change(request, **_):
    request.body = (request.body + "&More=1").encode()
    request.headers["Content-Length"] = str(len(request.body))


for line in sys.stdin:
    key, secret, token, *changed = json.loads(line)
    session = botocore.session.get_session()
    session.set_credentials(key, secret, token)
    client = session.create_client("sts", "eu-central-1", config=config)
    if changed:
        client.meta.events.register("before-send.sts.GetCallerIdentity", change)
    try:
        result = {"answer": client.get_caller_identity()}
    except botocore.exceptions.ClientError as error:
        result = {"error": error.response["Error"]["Code"]}
    print(json.dumps(result), flush=True)
