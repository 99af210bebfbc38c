"""Verifies tokens as a relying party in Python does: PyJWT, its PyJWKClient, and the discovery document.

Reads {"issuer", "tokens": [{"token", "audience"}, ...]} from stdin, writes a list of {"header", "claims"} or {"error"}.
"""

import json
import sys
import urllib.request

import jwt


def main():
    work = json.load(sys.stdin)
    issuer = work["issuer"]
    with urllib.request.urlopen(issuer + "/.well-known/openid-configuration", timeout=10) as response:
        discovery = json.load(response)
    # OpenID Connect Discovery 4.3: the issuer of the document has to be the one that was asked for, exactly.
    assert discovery["issuer"] == issuer, discovery["issuer"]
    keys = jwt.PyJWKClient(discovery["jwks_uri"])

    answers = []
    for entry in work["tokens"]:
        try:
            key = keys.get_signing_key_from_jwt(entry["token"])
            decoded = jwt.decode_complete(
                entry["token"],
                key,
                # The algorithm is the key's own, and has to be one that the issuer announces.
                algorithms=[key.algorithm_name],
                issuer=issuer,
                audience=entry["audience"],
                options={"require": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"], "strict_aud": True},
            )
            assert key.algorithm_name in discovery["id_token_signing_alg_values_supported"], key.algorithm_name
            answers.append({"header": decoded["header"], "claims": decoded["payload"]})
        except jwt.PyJWTError as error:
            answers.append({"error": type(error).__name__})
    json.dump(answers, sys.stdout)


main()
