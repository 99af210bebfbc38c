"""Tests of countersign_token.py. They want a running issuer, and credentials of a caller whom its policy admits:

    countersign serve --data-dir /tmp/issuer     # and, in another terminal, with the `export` lines that it prints
    ISSUER_URL=http://127.0.0.1:8787 python3 -m unittest discover -s examples/python

A gate stands between: it counts what is asked, and answers in the issuer's place when it is told to. The clock is the
tests' own, so nothing is waited for.
"""

import base64
import contextlib
import http.client
import io
import json
import os
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock
from urllib.parse import urlsplit

import boto3
from countersign_token import TokenError, TokenRefused, TokenSource, TokenUnavailable

ISSUER = os.environ.get("ISSUER_URL", "http://127.0.0.1:8787")


class Gate(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Through)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked = 0
        self.lock = threading.Lock()
        # (status, headers, body) in the issuer's place, each once.
        self.instead = []


class Through(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.asked += 1
            instead = self.server.instead.pop(0) if self.server.instead else None
        if instead is None:
            # As it came, Host header and all: it is signed.
            connection = http.client.HTTPConnection(urlsplit(ISSUER).netloc, timeout=30)
            connection.request("POST", self.path, body, dict(self.headers.items()))
            response = connection.getresponse()
            instead = (response.status, {"Content-Type": response.headers["Content-Type"]}, response.read())
            connection.close()
        status, headers, content = instead
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    # It would be somewhere in the output of the tests.
    def log_message(self, *_):
        pass


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def unavailable(**headers):
    return 503, {name.replace("_", "-"): value for name, value in headers.items()}, b'{"error":"temporarily_unavailable"}'


class TokenSourceTest(unittest.TestCase):
    def setUp(self):
        self.gate = Gate()
        threading.Thread(target=self.gate.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.gate.server_close)
        self.addCleanup(self.gate.shutdown)
        self.now = 1_000_000.0
        self.slept = []

    def source(self, **more):
        return TokenSource(self.gate.url, **{"clock": lambda: self.now, "sleep": self.slept.append, **more})

    def test_a_token_is_kept_until_a_fifth_of_its_life_is_left(self):
        source = self.source(expires_in=60)
        first = source.token()
        self.assertEqual(claims(first)["exp"] - claims(first)["iat"], 60)
        self.now += 47
        self.assertEqual(source.token(), first)
        self.assertEqual(self.gate.asked, 1)
        self.now += 2
        self.assertNotEqual(claims(source.token())["jti"], claims(first)["jti"])
        self.assertEqual(self.gate.asked, 2)

    def test_a_long_token_is_kept_until_a_minute_before_its_end(self):
        source = self.source(expires_in=600)
        first = source.token()
        self.now += 539
        self.assertEqual(source.token(), first)
        self.now += 2
        self.assertNotEqual(source.token(), first)

    def test_many_threads_ask_once(self):
        source, start = self.source(), threading.Barrier(32)
        tokens = []

        def ask():
            start.wait()
            tokens.append(source.token())

        threads = [threading.Thread(target=ask) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(tokens), len(set(tokens)), self.gate.asked), (32, 1, 1))

    def test_a_clock_that_went_back_tells_no_age(self):
        source = self.source()
        first = source.token()
        self.now -= 1
        self.assertNotEqual(source.token(), first)

    def test_a_refusal_says_why_and_is_not_tried_again(self):
        with self.assertRaises(TokenRefused) as caught:
            self.source(audience="nobody-has-this").token()
        self.assertEqual((caught.exception.status, caught.exception.error), (400, "invalid_target"))
        self.assertIn("audience", caught.exception.description)
        self.assertEqual((self.gate.asked, self.slept), (1, []))

    def test_a_refusal_of_the_gateway_says_what_it_says(self):
        self.gate.instead = [(403, {}, b'{"message":"Missing Authentication Token"}')]
        with self.assertRaisesRegex(TokenRefused, "403: no token: Missing Authentication Token"):
            self.source().token()

    def test_unavailable_is_tried_again_after_the_time_that_it_names(self):
        self.gate.instead = [unavailable(Retry_After="7"), (429, {}, b"slower")]
        self.assertTrue(self.source().token())
        self.assertEqual((self.gate.asked, self.slept), (3, [7.0, 1.0]))

    def test_unavailable_for_long_is_an_error_and_nobody_waits_for_hours(self):
        self.gate.instead = [unavailable(Retry_After="86400"), unavailable(Retry_After="soon"), unavailable()]
        with self.assertRaisesRegex(TokenUnavailable, "503: temporarily_unavailable"):
            self.source().token()
        self.assertEqual((self.gate.asked, self.slept), (3, [30.0, 1.0]))

    def test_a_renewal_that_fails_leaves_the_old_token_in_use_as_long_as_it_is_good(self):
        source = self.source(expires_in=60)
        first = source.token()
        self.now += 49
        self.gate.instead = [unavailable(Retry_After="5")]
        self.assertEqual(source.token(), first)
        # Not before the time that the issuer named.
        self.now += 4
        self.assertEqual(source.token(), first)
        self.assertEqual((self.gate.asked, self.slept), (2, []))
        self.now += 4
        self.gate.instead = [unavailable()] * 3
        with self.assertRaises(TokenUnavailable):
            source.token()
        self.assertNotEqual(source.token(), first)

    def test_a_discarded_token_is_not_given_again(self):
        source = self.source()
        first = source.token()
        source.discard(first)
        second = source.token()
        self.assertNotEqual(second, first)
        # A late 401 for the first one does not cost the second.
        source.discard(first)
        self.assertEqual(source.token(), second)

    def test_credentials_are_asked_for_at_each_renewal(self):
        with tempfile.TemporaryDirectory() as folder:
            kept, config = os.path.join(folder, "credentials.json"), os.path.join(folder, "config")

            def process_gives(profile):
                known = boto3.Session(profile_name=profile).get_credentials().get_frozen_credentials()
                # So near that botocore asks again each time.
                soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))
                given = {"Version": 1, "AccessKeyId": known.access_key, "SecretAccessKey": known.secret_key}
                with open(kept, "w") as file:
                    json.dump({**given, "SessionToken": known.token, "Expiration": soon}, file)

            with open(config, "w") as file:
                file.write(f"[profile changing]\ncredential_process = cat {kept}\n")
            profiles = boto3.Session().available_profiles
            with mock.patch.dict(os.environ, AWS_CONFIG_FILE=config):
                source = self.source(session=boto3.Session(profile_name="changing"))
                subjects = []
                for profile in profiles[:2]:
                    process_gives(profile)
                    subjects.append(claims(source.token())["sub"])
                    self.now += 3600
        self.assertEqual(len(set(subjects)), 2, subjects)

    def test_a_redirect_is_not_followed(self):
        self.gate.instead = [(307, {"Location": f"{ISSUER}/token"}, b"")]
        with self.assertRaisesRegex(TokenRefused, "307"):
            self.source().token()

    def test_what_is_no_answer_of_an_issuer_is_said_and_not_shown(self):
        # The last two would be handed out as text, and be kept for ever.
        wrong = (b'{"token":["eyJ"],"expires_in":60}', b'{"token":"eyJ","expires_in":Infinity}')
        for content in (b"<html>eyJ", b"[]", b'{"token":"eyJ"}', b'{"token":"eyJ","expires_in":"soon"}', *wrong):
            self.gate.instead = [(200, {}, content)]
            with self.assertRaises(TokenError) as caught:
                self.source().token()
            self.assertIn("is it the issuer's URL?", str(caught.exception))
            self.assertNotIn("eyJ", str(caught.exception))

    def test_neither_a_signature_nor_a_token_travels_in_the_clear(self):
        for issuer in ("http://tokens.acme.com", "tokens.acme.com", "file:///etc/hosts", "https://[::1", ""):
            with self.assertRaisesRegex(TokenError, "is no issuer: an https URL is needed"):
                TokenSource(issuer)

    def test_nobody_there_is_unavailable(self):
        gone = Gate()
        gone.server_close()
        with self.assertRaisesRegex(TokenUnavailable, "no answer from"):
            TokenSource(gone.url, clock=lambda: self.now, sleep=self.slept.append).token()
        self.assertEqual(len(self.slept), 2)

    def test_without_credentials_it_says_so(self):
        nothing = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        nothing |= {name: os.devnull for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
        nothing["AWS_EC2_METADATA_DISABLED"] = "true"
        with mock.patch.dict(os.environ, nothing, clear=True):
            with self.assertRaisesRegex(TokenError, "no AWS credentials found"):
                self.source().token()
        with mock.patch.dict(os.environ, {**nothing, "AWS_PROFILE": "nobody"}, clear=True):
            with self.assertRaisesRegex(TokenError, "no AWS credentials: .*nobody"):
                self.source().token()
        self.assertEqual(self.gate.asked, 0)

    def test_it_signs_for_the_region_of_the_gateway(self):
        session = boto3.Session(region_name="ap-south-1")
        regions = {"https://a1.execute-api.eu-west-3.amazonaws.com/v1": "eu-west-3", "https://tokens.acme.com": "ap-south-1"}
        with mock.patch.dict(os.environ):
            os.environ.pop("AWS_REGION", None)
            for issuer, region in regions.items():
                self.assertIn(f"/{region}/execute-api/", TokenSource(issuer, session=session)._signed_headers()["Authorization"])

    def test_its_repr_shows_no_token(self):
        source = self.source()
        token = source.token()
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            print(source, vars(source))
        self.assertNotIn(token, shown.getvalue())


if __name__ == "__main__":
    unittest.main()
