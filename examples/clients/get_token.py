#!/usr/bin/env python3
"""Prints a token, signed for with botocore:

    python3 get_token.py ISSUER_URL [AUDIENCE]

Credentials come from botocore's default chain (environment, profiles, SSO, containers, instances).
Needs `pip install botocore`. No newline is printed after the token, because some of its readers do not strip one.
(This file cannot be called token.py: Python's own library has a module of that name, and would import this one.)
"""

import json
import os
import re
import sys
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed request is for one address and goes nowhere else."""

    def redirect_request(self, *_):
        return None


def region_of(issuer: str, session: Session) -> str:
    """An API Gateway host name holds the region to sign for. A domain of your own does not."""
    found = re.search(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.", issuer)
    if found:
        return found[1]
    return os.environ.get("AWS_REGION") or session.get_config_variable("region") or "us-east-1"


def token(issuer: str, audience: str | None = None) -> str:
    session = Session()
    credentials = session.get_credentials()
    if credentials is None:
        sys.exit("no AWS credentials found")
    body = json.dumps({"audience": audience} if audience else {}).encode()
    request = AWSRequest("POST", f"{issuer}/token", headers={"Content-Type": "application/json"}, data=body)
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", region_of(issuer, session)).add_auth(request)

    signed = urllib.request.Request(request.url, body, dict(request.headers), method="POST")
    with urllib.request.build_opener(NoRedirect).open(signed, timeout=10) as answer:
        return json.load(answer)["token"]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: get_token.py ISSUER_URL [AUDIENCE]")
    try:
        sys.stdout.write(token(*sys.argv[1:]))
    except urllib.error.HTTPError as error:
        sys.exit(f"HTTP status {error.code}: {error.read().decode(errors='replace')}")
    except urllib.error.URLError as error:
        sys.exit(f"no answer: {error.reason}")
