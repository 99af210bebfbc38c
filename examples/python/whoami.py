#!/usr/bin/env python3
"""Gets a token, calls an API with it, and prints what the API answers:

    python3 whoami.py ISSUER_URL AUDIENCE API_URL

Needs countersign_token.py beside it, and what that needs. `call` is what a program that runs for days would do at each
request: the source keeps the token and renews it, and a 401 gets a second try with a new one.
"""

import sys
import urllib.error
import urllib.request

from countersign_token import TokenError, TokenSource


def call(source: TokenSource, url: str) -> str:
    for last in (False, True):
        token = source.token()
        request = urllib.request.Request(url)
        # Unredirected: should the API send the request elsewhere, the token does not go along.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            if error.code != 401 or last:
                raise
            source.discard(token)
    raise AssertionError("the second try returns or raises")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: whoami.py ISSUER_URL AUDIENCE API_URL", file=sys.stderr)
        sys.exit(2)
    issuer, audience, api = sys.argv[1:]
    try:
        print(call(TokenSource(issuer, audience), f"{api}/whoami"))
    except TokenError as error:
        sys.exit(str(error))
    except urllib.error.HTTPError as error:
        sys.exit(f"the API answered {error.code}: {error.read().decode(errors='replace')}")
    except urllib.error.URLError as error:
        sys.exit(f"no answer from {api}: {error.reason}")
