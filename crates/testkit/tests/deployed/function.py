"""A function that asks AWS for what its event says, and answers with what AWS says.

{"target": "AmazonSSM.GetParameter", "input": {..}} asks through AWS_ENDPOINT_URL; an event of an API is answered with what it
says of the caller; a rotation's step fails as often as FAILURES says, and then takes its part. The version in the package's
first line tells one package from another.
"""

import json
import os
import sys
import urllib.error
import urllib.request

VERSION = "1"
SERVICES = {"AmazonSSM": "ssm", "TrentService": "kms", "secretsmanager": "secretsmanager"}
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime"
failures = int(os.environ.get("FAILURES", "0"))


def post(path, value):
    urllib.request.urlopen(urllib.request.Request(api + path, data=json.dumps(value).encode())).read()


def ask(target, value):
    scope = f"AKIA/20260101/{os.environ['AWS_REGION']}/{SERVICES[target.split('.')[0]]}/aws4_request"
    headers = {
        "X-Amz-Target": target,
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], data=json.dumps(value).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return {"status": answer.status, "body": json.loads(answer.read())}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": json.loads(error.read())}


def rotate(event):
    global failures
    if failures > 0:
        failures -= 1
        raise ValueError("not yet")
    secret, version = event["SecretId"], event["ClientRequestToken"]
    if event["Step"] == "createSecret":
        value = {"SecretId": secret, "ClientRequestToken": version, "VersionStages": ["AWSPENDING"], "SecretString": version}
        return ask("secretsmanager.PutSecretValue", value)
    if event["Step"] == "finishSecret":
        stages = ask("secretsmanager.DescribeSecret", {"SecretId": secret})["body"]["VersionIdsToStages"]
        current = next((name for name, labels in stages.items() if "AWSCURRENT" in labels), None)
        if current != version:
            move = {"SecretId": secret, "VersionStage": "AWSCURRENT", "MoveToVersionId": version}
            ask("secretsmanager.UpdateSecretVersionStage", move | ({"RemoveFromVersionId": current} if current else {}))
        strip = {"SecretId": secret, "VersionStage": "AWSPENDING", "RemoveFromVersionId": version}
        return ask("secretsmanager.UpdateSecretVersionStage", strip)
    return None


def handle(event):
    if "Step" in event:
        return rotate(event)
    if "requestContext" in event:
        context = event["requestContext"]
        caller = {name: context["identity"][name] for name in ("userArn", "principalOrgId", "accountId")}
        body = {"caller": caller, "resource": event["resource"], "path": context["path"], "body": event["body"]}
        body |= {"headers": sorted(event["headers"]), "api": context["apiId"], "query": event["queryStringParameters"]}
        return {"statusCode": 200, "headers": {"x-test": "1"}, "body": json.dumps(body)}
    if "target" in event:
        return ask(event["target"], event["input"])
    if event.get("do") == "fail":
        raise ValueError("asked to")
    return {"version": VERSION, "environment": dict(os.environ)}


while True:
    with urllib.request.urlopen(api + "/invocation/next") as answer:
        request_id, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
    print(json.dumps(event), flush=True)
    try:
        post(f"/invocation/{request_id}/response", handle(event))
    except ValueError as error:
        post(f"/invocation/{request_id}/error", {"errorType": "Failure", "errorMessage": str(error)})
