#!/usr/bin/env python3
"""Logs in to Snowflake with a token (External OAuth), asks who it is there, and prints user and role:

    PYTHONPATH=examples/python python3 query.py ISSUER_URL AUDIENCE CONNECTION

AUDIENCE is the Snowflake account's in the issuer's policy. CONNECTION is an entry of the connector's own file,
~/.snowflake/connections.toml, without any secret in it:

    [acme]
    account = "acme-prod"
    role = "ANALYST"

Needs `pip install boto3 snowflake-connector-python`, and countersign_token.py of the folder python on the path. The
drivers' own OAUTH_CLIENT_CREDENTIALS cannot take its place: it posts a client secret, and the issuer wants a signature.

A token is looked at when a connection is opened, and no more after that. So a program that runs for days opens its
connections with `connect`, each with a token that is good at that moment. With SQLAlchemy, whose pool opens and closes them:

    create_engine("snowflake://", creator=lambda: connect(source, "acme"), pool_recycle=3600)
"""

import sys

import snowflake.connector
from countersign_token import TokenError, TokenSource


def connect(source: TokenSource, connection: str) -> snowflake.connector.SnowflakeConnection:
    return snowflake.connector.connect(connection_name=connection, authenticator="oauth", token=source.token())


def whoami(source: TokenSource, connection: str) -> tuple[str, str]:
    session = connect(source, connection)
    try:
        [(user, role)] = session.cursor().execute("select current_user(), current_role()").fetchall()
        return user, role
    finally:
        session.close()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print("usage: query.py ISSUER_URL AUDIENCE CONNECTION", file=sys.stderr)
        sys.exit(2)
    issuer, audience, connection = sys.argv[1:]
    try:
        print(*whoami(TokenSource(issuer, audience), connection))
    except TokenError as error:
        sys.exit(str(error))
    except snowflake.connector.Error as error:
        sys.exit(f"Snowflake: {error}")
