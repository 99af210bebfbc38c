"""Signs requests with botocore's SigV4Auth, sends each exactly as told, and tells what came back.

Reads {"origin": "http://127.0.0.1:PORT", "asks": [ASK, ...]} from stdin, writes a list of answers to stdout.
One process for many requests: importing botocore takes longer than all of them. An ASK has, all optional:

  access_key, secret_key, session_token   whose signature; none without access_key
  sign          "header" (default), "query" (a presigned URL) or "none"
  age           the signature says that it was made so many seconds ago (negative: ahead of now)
  region, service                         of the credential scope
  method, target                          POST and /token
  content_type, body                      what is signed and, unless changed below, sent
  body_sent                               the body that is sent in its place, after signing
  headers       further headers, sent and not signed

An answer has status, headers (a list of [name in lower case, value]), body (text), and signature (what must not be in
anyone's log), null for an unsigned request.
"""

import datetime
import http.client
import json
import re
import sys
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

real_now = botocore.auth.get_current_datetime


def sign(ask, url):
    """The request's URL and headers as the client would send them."""
    headers = {"Host": urlsplit(url).netloc}
    if ask.get("content_type") is not None:
        headers["Content-Type"] = ask["content_type"]
    request = AWSRequest(method=ask.get("method", "POST"), url=url, headers=headers, data=(ask.get("body") or "").encode())
    how = ask.get("sign", "header") if "access_key" in ask else "none"
    if how == "none":
        return url, dict(request.headers.items())
    signer = {"header": botocore.auth.SigV4Auth, "query": botocore.auth.SigV4QueryAuth}[how](
        Credentials(ask["access_key"], ask["secret_key"], ask.get("session_token")),
        ask.get("service", "execute-api"),
        ask.get("region", "eu-central-1"),
    )
    # botocore has no argument for the time: it asks this function of its own.
    botocore.auth.get_current_datetime = lambda *args, **kwargs: real_now(*args, **kwargs) - datetime.timedelta(
        seconds=ask.get("age", 0)
    )
    signer.add_auth(request)
    return request.url, dict(request.headers.items())


def send(ask, url, headers):
    parts = urlsplit(url)
    body = (ask.get("body_sent", ask.get("body")) or "").encode()
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        target = parts.path + ("?" + parts.query if parts.query else "")
        # Nothing is added that was not asked for: no Accept-Encoding, no second Host.
        connection.putrequest(ask.get("method", "POST"), target, skip_host=True, skip_accept_encoding=True)
        for name, value in {**headers, **ask.get("headers", {})}.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return {
            "status": response.status,
            "headers": [[name.lower(), value] for name, value in response.getheaders()],
            "body": response.read().decode(),
        }
    finally:
        connection.close()


def main():
    work = json.load(sys.stdin)
    answers = []
    for ask in work["asks"]:
        url, headers = sign(ask, work["origin"] + ask.get("target", "/token"))
        found = re.search(r"Signature=([0-9a-f]{64})", url + headers.get("Authorization", ""))
        answers.append({**send(ask, url, headers), "signature": found and found.group(1)})
    json.dump(answers, sys.stdout)


main()
