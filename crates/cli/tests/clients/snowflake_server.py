"""As much of Snowflake's server as its own Python connector needs for a login and `select current_user(), current_role()`.

Who may log in is decided by `snowflake.py`, which says what its rules are worth. The four requests are those that the
connector was seen to send; nothing here proves that Snowflake answers them like this.

Reads {"integration", "account_url", "users"} from stdin, as `snowflake.py` does. Says on stderr where it listens, and writes
a line of JSON for each login to stdout: {"user", "role", "jti"}, or {"code", "name", "message"}.
"""

import gzip
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
from snowflake import Integration, Refused

QUERY = "select current_user(), current_role()"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    integration: Integration
    users: dict
    sessions: dict = {}
    lock = threading.Lock()

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        url = urlsplit(self.path)
        if url.path == "/session/v1/login-request":
            return self.login(json.loads(content)["data"], parse_qs(url.query))
        if url.path == "/telemetry/send":
            return self.answer(None)
        token = self.headers.get("Authorization", "").removeprefix('Snowflake Token="').removesuffix('"')
        session = self.sessions.get(token)
        if session is None:
            return self.answer(None, 390104, "Session no longer exists.")
        if url.path == "/session":
            del self.sessions[token]
            return self.answer(None)
        if url.path == "/queries/v1/query-request" and json.loads(content)["sqlText"] == QUERY:
            return self.query(session)
        return self.answer(None, 1003, "SQL compilation error: the stand-in knows one query.")

    def login(self, data, parameters):
        said = data["TOKEN"]
        try:
            if data["AUTHENTICATOR"] != "OAUTH":
                raise Refused(390144, "UNKNOWN_AUTHENTICATOR (made up)", "The stand-in knows OAUTH alone.")
            session = self.integration.login(said, self.users, parameters.get("roleName", [None])[0])
        except Refused as refused:
            self.tell(refused.answer)
            return self.answer(None, refused.answer["code"], refused.answer["message"])
        self.tell({**session, "jti": jwt.decode(said, options={"verify_signature": False})["jti"]})
        token = secrets.token_urlsafe()
        self.sessions[token] = session
        info = {"databaseName": None, "schemaName": None, "warehouseName": None, "roleName": session["role"]}
        lives = {"validityInSeconds": 3600, "masterValidityInSeconds": 14400}
        names = {"displayUserName": session["user"], "serverVersion": "0", "sessionId": len(self.sessions)}
        return self.answer(
            {"token": token, "masterToken": secrets.token_urlsafe(), "parameters": [], "sessionInfo": info, **lives, **names}
        )

    def query(self, session):
        column = {"type": "text", "nullable": True, "length": 256, "byteLength": 1024, "scale": None, "precision": None}
        self.answer(
            {
                "queryId": "00000000-0000-0000-0000-000000000000",
                "rowtype": [{**column, "name": name} for name in ("CURRENT_USER()", "CURRENT_ROLE()")],
                "rowset": [[session["user"], session["role"]]],
                "total": 1,
                "returned": 1,
                "queryResultFormat": "json",
                "finalRoleName": session["role"],
                "parameters": [],
                "statementTypeId": 4096,
                "sqlState": "00000",
                "version": 1,
            }
        )

    def answer(self, data, code=None, message=None):
        said = {"data": data, "code": code and str(code), "message": message, "success": code is None}
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def tell(self, login):
        with self.lock:
            print(json.dumps(login), flush=True)

    def log_message(self, *_):
        pass


def main():
    work = json.load(sys.stdin)
    Handler.integration = Integration(work["integration"], work["account_url"])
    Handler.users = work["users"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


main()
