#!/usr/bin/env python3
"""Tokens for Python programs, signed for with boto3's credentials, kept, and renewed in time.

    source = TokenSource("https://tokens.acme.com", audience="warehouse-api")
    headers = {"Authorization": f"Bearer {source.token()}"}    # at every request: that is what the source is for

Copy this file into your project; it needs `pip install boto3`. Run as a program it prints one token, without a newline,
because some of its readers do not strip one:

    python3 countersign_token.py ISSUER_URL [AUDIENCE]

Credentials come from boto3's default chain, or from the session that you give. They are asked for at each renewal, so
those that expire (roles, SSO, containers, instances) are fresh ones.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import math
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Callable

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

# A token is renewed when a fifth of its life is left, and at the latest this long before its end.
RENEW_BEFORE_END = 60.0
# A token this close to its end is not handed out: it would expire on its way.
LEAST_LEFT = 5.0
TIMEOUT = 10.0
ATTEMPTS = 3
LONGEST_WAIT = 30.0


class TokenError(Exception):
    """There is no token."""


class TokenRefused(TokenError):
    """The issuer or its gateway said no. Asking again changes nothing."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(f"refused with HTTP status {status}: {error}: {description}")
        self.status, self.error, self.description = status, error, description


class TokenUnavailable(TokenError):
    """The issuer could not be reached, or could not tell. Asking again may help, after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = min(retry_after, LONGEST_WAIT)


@dataclasses.dataclass(frozen=True)
class _Held:
    value: str = dataclasses.field(repr=False)
    since: float
    renew: float
    end: float


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed request is for one address and goes nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _check(issuer: str) -> None:
    """A token and a signature that can be read on the way are of use to whoever reads them."""
    try:
        url = urllib.parse.urlsplit(issuer)
        local = url.hostname in ("127.0.0.1", "::1", "localhost")
    except ValueError:
        url = local = None
    if not url or not url.hostname or not (url.scheme == "https" or (url.scheme == "http" and local)):
        raise TokenError(f"{issuer!r} is no issuer: an https URL is needed (http on this machine only)")


class TokenSource:
    """Tokens for one audience. Threads may share it: one of them asks the issuer, and the others wait for its answer."""

    def __init__(
        self,
        issuer: str,
        audience: str | None = None,
        *,
        scope: str | None = None,
        expires_in: int | None = None,
        session: boto3.Session | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        _check(issuer)
        wanted = {"audience": audience, "scope": scope, "expires_in": expires_in}
        self._body = json.dumps({name: value for name, value in wanted.items() if value is not None}).encode()
        self._url = f"{issuer}/token"
        self._session = session
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._held: _Held | None = None

    def token(self) -> str:
        """A token that is good for a while yet. Raises TokenError."""
        with self._lock:
            now, held = self._clock(), self._held
            # A clock that has gone back tells nothing about how old a token is.
            if held is not None and not held.since <= now < held.end - LEAST_LEFT:
                held = None
            if held is not None and now < held.renew:
                return held.value
            try:
                held = self._fetch(ATTEMPTS if held is None else 1)
            except TokenUnavailable as error:
                if held is None:
                    raise
                # The issuer is left alone for as long as it asked for, and nobody has to wait meanwhile.
                held = dataclasses.replace(held, renew=now + error.retry_after)
            self._held = held
            return held.value

    def discard(self, token: str) -> None:
        """Forgets this token. For a relying party's 401: its key may have been revoked, and a new token has another."""
        with self._lock:
            if self._held is not None and self._held.value == token:
                self._held = None

    def _fetch(self, attempts: int) -> _Held:
        while True:
            attempts -= 1
            try:
                return self._ask()
            except TokenUnavailable as error:
                if attempts == 0:
                    raise
                self._sleep(error.retry_after)

    def _ask(self) -> _Held:
        # From before the question, so that the time on the way is not counted as life of the token.
        asked = self._clock()
        request = urllib.request.Request(self._url, self._body, self._signed_headers(), method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                answer = json.load(response)
            value, life = answer["token"], float(answer["expires_in"])
            if not (isinstance(value, str) and value and 0 < life < math.inf):
                raise ValueError("no token, or one without a life")
        except urllib.error.HTTPError as error:
            with error:
                raise self._fault(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise TokenUnavailable(f"no answer from {self._url}: {getattr(error, 'reason', error)}") from error
        except (ValueError, KeyError, TypeError) as error:
            # What came is not shown: it may be half a token.
            raise TokenError(f"{self._url} did not answer with a token: is it the issuer's URL?") from error
        return _Held(value, asked, asked + life - min(RENEW_BEFORE_END, life / 5), asked + life)

    def _signed_headers(self) -> dict[str, str]:
        try:
            self._session = self._session or boto3.Session()
            credentials = self._session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
            region = self._region(self._session)
        except BotoCoreError as error:
            raise TokenError(f"no AWS credentials: {error}") from error
        if frozen is None:
            raise TokenError("no AWS credentials found")
        request = AWSRequest("POST", self._url, headers={"Content-Type": "application/json"}, data=self._body)
        SigV4Auth(frozen, "execute-api", region).add_auth(request)
        return dict(request.headers.items())

    def _region(self, session: boto3.Session) -> str:
        """An API Gateway host name holds the region to sign for. A domain of your own does not."""
        found = re.search(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.", self._url)
        return found[1] if found else os.environ.get("AWS_REGION") or session.region_name or "us-east-1"

    @staticmethod
    def _fault(answer: urllib.error.HTTPError) -> TokenError:
        try:
            said = json.load(answer)
        except (OSError, ValueError, http.client.HTTPException):
            said = None
        said = said if isinstance(said, dict) else {}
        # The issuer says what RFC 6749, section 5.2, has for it; its gateway says `message`.
        error = str(said.get("error", "no token"))
        description = str(said.get("error_description") or said.get("message") or "no explanation")
        if answer.code == 429 or answer.code >= 500:
            wait = answer.headers.get("Retry-After", "")
            message = f"HTTP status {answer.code}: {error}: {description}"
            return TokenUnavailable(message, float(wait) if wait.isdecimal() else 1.0)
        return TokenRefused(answer.code, error, description)


def main() -> None:
    if len(sys.argv) not in (2, 3):
        print("usage: countersign_token.py ISSUER_URL [AUDIENCE]", file=sys.stderr)
        sys.exit(2)
    try:
        sys.stdout.write(TokenSource(*sys.argv[1:]).token())
    except TokenError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
