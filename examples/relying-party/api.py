#!/usr/bin/env python3
"""The other side: a small HTTP API that tells who you are, if your token is for it.

    python3 api.py ISSUER_URL AUDIENCE [PORT]

AUDIENCE is the `aud` that tokens for this API carry, an audience of the profile `oauth`. GET /whoami with the header
`Authorization: Bearer TOKEN` answers {"subject", "scope", "expires_at"}, and 401 to everything that is not such a token.
It listens on 127.0.0.1 and says where on stderr.

Needs `pip install "PyJWT[crypto]"`. What an API of your own has to check is all in `Verifier`.
"""

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

# RFC 9068, section 4: a verifier of access tokens takes these types alone, so that no other kind of token passes for one.
TYPES = ("at+jwt", "application/at+jwt")


class Verifier:
    def __init__(self, issuer: str, audience: str) -> None:
        self.issuer, self.audience = issuer, audience
        with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=10) as answer:
            discovery = json.load(answer)
        # OpenID Connect Discovery, section 4.3: exactly the issuer that was asked for.
        if discovery["issuer"] != issuer:
            raise SystemExit(f"{issuer} says that it is {discovery['issuer']}")
        # Keeps the keys for five minutes. A token with a key that it does not know has them fetched anew; with a recent PyJWT
        # twice a minute at most, since anybody can make up the name of a key.
        self.keys = jwt.PyJWKClient(discovery["jwks_uri"], lifespan=300, timeout=10)

    def claims(self, token: str) -> dict:
        """What the token says. Raises jwt.PyJWTError unless it is from this issuer, for this API, and of this moment."""
        key = self.keys.get_signing_key_from_jwt(token)
        decoded = jwt.decode_complete(
            token,
            key,
            # The key says which algorithm is right. The token's header is the sender's, and only has to agree.
            algorithms=[key.algorithm_name],
            issuer=self.issuer,
            audience=self.audience,
            options={"require": ["iss", "sub", "aud", "iat", "exp"], "strict_aud": True},
        )
        if str(decoded["header"].get("typ")).lower() not in TYPES:
            raise jwt.InvalidTokenError("not an access token: its type is not at+jwt")
        return decoded["payload"]


class Handler(BaseHTTPRequestHandler):
    verifier: Verifier

    def do_GET(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if self.path != "/whoami":
            self.answer(404, {"error": "not_found"})
        elif scheme.lower() != "bearer" or not token:
            self.answer(401, {"error": "no_token"}, "Bearer")
        else:
            try:
                claims = self.verifier.claims(token)
            except jwt.PyJWKClientConnectionError:
                # Whether the token is good cannot be told now: that is not the caller's fault.
                self.answer(503, {"error": "keys_unavailable"})
            except jwt.PyJWTError as error:
                # RFC 6750, section 3. The kind of fault, and nothing that the sender wrote.
                fault = type(error).__name__
                challenge = f'Bearer error="invalid_token", error_description="{fault}"'
                self.answer(401, {"error": "invalid_token", "error_description": fault}, challenge)
            else:
                named = {"subject": claims["sub"], "scope": claims.get("scope", ""), "expires_at": claims["exp"]}
                self.answer(200, named)

    def answer(self, status: int, body: dict, challenge: str | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: api.py ISSUER_URL AUDIENCE [PORT]")
    Handler.verifier = Verifier(sys.argv[1], sys.argv[2])
    with ThreadingHTTPServer(("127.0.0.1", int((sys.argv[3:] or ["8788"])[0])), Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
