"""A stand-in for the login of Snowflake's External OAuth: the documented rules, and PyJWT underneath.

It decides as the security integration's parameters say, under their documented names and defaults. What Snowflake does
beyond its documentation is not in here, and nothing here proves that Snowflake does it.

Reads from stdin {"integration": {PARAMETER: value}, "account_url", "users": {LOGIN_NAME: {"roles": [], "default_role"}},
"logins": [{"token", "role"?}]}; writes a list of {"user", "role"} or {"code", "name", "message"}.

Sources: Snowflake's "CREATE SECURITY INTEGRATION (External OAuth)" and "External OAuth overview". The code 390100 (the
mapping matched no user) is documented there; 390303 (invalid token) and 390318 (expired token) are what drivers show.
Where no name is documented, one is made up in the same style and marked so.
"""

import json
import sys
import urllib.request

import jwt

# Roles that no token may open a session with unless an administrator of the account changes that.
BLOCKED_BY_DEFAULT = {"ACCOUNTADMIN", "ORGADMIN", "GLOBALORGADMIN", "SECURITYADMIN"}


class Refused(Exception):
    def __init__(self, code, name, message):
        super().__init__(message)
        self.answer = {"code": code, "name": name, "message": message}


def invalid(name, message):
    return Refused(390303, name, "Invalid OAuth access token. " + message)


class Integration:
    def __init__(self, parameters, account_url):
        get = parameters.get
        self.issuer = parameters["EXTERNAL_OAUTH_ISSUER"]
        self.keys_url = parameters["EXTERNAL_OAUTH_JWS_KEYS_URL"]
        self.user_claim = parameters["EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM"]
        # The list names further audiences "on top of" the account URL, which is always accepted.
        self.audiences = [account_url, *get("EXTERNAL_OAUTH_AUDIENCE_LIST", [])]
        self.any_role_mode = get("EXTERNAL_OAUTH_ANY_ROLE_MODE", "DISABLE")
        self.scope_attribute = get("EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE", "scp")
        self.scope_delimiter = get("EXTERNAL_OAUTH_SCOPE_DELIMITER", ",")
        self.blocked = BLOCKED_BY_DEFAULT | set(get("EXTERNAL_OAUTH_BLOCKED_ROLES_LIST", []))

    def claims(self, token):
        """What the token says, if its form, key, signature, issuer, audience and times are right."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise invalid("EXTERNAL_OAUTH_JWS_INVALID_FORMAT", "It is not a JWS.") from error
        # "JWT" or nothing, in any letter case as RFC 7519 section 5.1 recommends. An RFC 9068 token says at+jwt.
        if header.get("typ", "JWT").upper() != "JWT":
            raise invalid("EXTERNAL_OAUTH_JWS_INVALID_TYPE", f"Its type is {header['typ']}.")
        # Snowflake also documents RS384 and RS512; issuer and stand-in agree on the one that every lane must have.
        if header.get("alg") != "RS256":
            raise invalid("EXTERNAL_OAUTH_JWS_INVALID_ALGORITHM (made up)", f"Its algorithm is {header.get('alg')}.")
        with urllib.request.urlopen(self.keys_url, timeout=10) as response:
            published = json.load(response)["keys"]
        keys = [jwt.PyJWK(key) for key in published if key.get("kid") == header.get("kid") and key["kty"] == "RSA"]
        if len(keys) != 1:
            raise invalid("EXTERNAL_OAUTH_JWS_CANT_RETRIEVE_PUBLIC_KEY", "No key of the set has its kid.")
        try:
            return jwt.decode(
                token,
                keys[0],
                algorithms=["RS256"],
                issuer=self.issuer,
                audience=self.audiences,
                options={"require": ["iss", "aud", "iat", "exp"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Refused(390318, "OAUTH_ACCESS_TOKEN_EXPIRED", "OAuth access token expired.") from error
        except jwt.InvalidSignatureError as error:
            raise invalid("EXTERNAL_OAUTH_JWS_INVALID_SIGNATURE", "Its signature is not of its key.") from error
        except jwt.InvalidIssuerError as error:
            raise invalid("EXTERNAL_OAUTH_INVALID_ISSUER (made up)", "Its issuer is another.") from error
        except jwt.InvalidAudienceError as error:
            raise invalid("EXTERNAL_OAUTH_INVALID_AUDIENCE (made up)", "Its audience is another.") from error
        except jwt.PyJWTError as error:
            raise invalid("EXTERNAL_OAUTH_INVALID_CLAIM (made up)", str(error)) from error

    def scopes(self, claims):
        """A list as it stands; a string is cut at the delimiter, which is a comma unless configured."""
        value = claims.get(self.scope_attribute)
        if isinstance(value, str):
            value = [part.strip() for part in value.split(self.scope_delimiter)]
        if not isinstance(value, list) or not any(value):
            raise invalid("EXTERNAL_OAUTH_NO_SCOPE (made up)", f"There is no scope in {self.scope_attribute}.")
        return value

    def role(self, scopes, user, wanted):
        """The session's role: the one asked for, or the user's default, if token, user and integration allow it."""
        wanted = (wanted or user["default_role"]).upper()
        by_name = {scope[len("session:role:") :].upper() for scope in scopes if scope.startswith("session:role:")}
        any_role = "session:role-any" in scopes
        if any_role and self.any_role_mode == "DISABLE":
            raise invalid("EXTERNAL_OAUTH_ANY_ROLE_DISABLED (made up)", "session:role-any needs its mode.")
        if not by_name and not any_role:
            raise invalid("EXTERNAL_OAUTH_NO_SCOPE (made up)", "No scope names a role.")
        granted = {role.upper() for role in user["roles"]} | {"PUBLIC"}
        if wanted in self.blocked or wanted not in granted or not (any_role or wanted in by_name):
            raise Refused(390186, "ROLE_NOT_ALLOWED (made up)", f"Role {wanted} is not listed in the token, not granted, or blocked.")
        return wanted

    def login(self, token, users, wanted):
        claims = self.claims(token)
        scopes = self.scopes(claims)
        login = claims.get(self.user_claim)
        # EXTERNAL_OAUTH_SNOWFLAKE_USER_MAPPING_ATTRIBUTE = LOGIN_NAME, which does not look at letter case.
        name = next((name for name in users if isinstance(login, str) and name.upper() == login.upper()), None)
        if name is None:
            raise Refused(390100, "INCORRECT_USERNAME_OR_PASSWORD", "Incorrect username or password was specified.")
        return {"user": name, "role": self.role(scopes, users[name], wanted)}


def main():
    work = json.load(sys.stdin)
    integration = Integration(work["integration"], work["account_url"])
    answers = []
    for entry in work["logins"]:
        try:
            answers.append(integration.login(entry["token"], work["users"], entry.get("role")))
        except Refused as refused:
            answers.append(refused.answer)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
