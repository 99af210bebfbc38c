"""A function that speaks the Runtime API and shares no line with the stand-in for it.

It does what the event says, {"do": ..}: echo, fail, environment, headers, exit, not-json, spin, stranger. With FAIL_INIT set it
reports that it cannot initialize.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime"


def call(path, body=None):
    request = urllib.request.Request(api + path, data=body, method="GET" if body is None else "POST")
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        assert body is None or (answer.status == 202 and json.loads(text) == {"status": "OK"}), text
        return answer.headers, text


print("starting", flush=True)
if "FAIL_INIT" in os.environ:
    print("no configuration", file=sys.stderr, flush=True)
    call("/init/error", json.dumps({"errorType": "Configuration", "errorMessage": os.environ["FAIL_INIT"]}).encode())
    sys.exit(3)

while True:
    headers, text = call("/invocation/next")
    now = time.time()
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        event = json.loads(text)
    except ValueError:
        event = {"do": "fail"}
    path = "response"
    match event["do"]:
        case "echo":
            answer = {"event": text.decode(), "type": headers["Content-Type"]}
        case "environment":
            answer = dict(os.environ)
        case "headers":
            answer = dict(headers.items()) | {"now": now}
        case "spin":
            until = time.thread_time() + event["seconds"]
            while time.thread_time() < until:
                pass
            answer = None
        case "stranger":
            try:
                call("/invocation/somebody-else/response", b"{}")
            except urllib.error.HTTPError as error:
                answer = {"status": error.code, "body": json.loads(error.read())}
        case "exit":
            print("giving up", file=sys.stderr, flush=True)
            os._exit(7)
        case "not-json":
            call(f"/invocation/{request_id}/response", b"<html>")
            continue
        case _:
            path, answer = "error", {"errorType": "Unknown", "errorMessage": text.decode()}
    print("did " + event["do"], flush=True)
    call(f"/invocation/{request_id}/{path}", json.dumps(answer).encode())
