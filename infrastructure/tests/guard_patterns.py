#!/usr/bin/env python3
"""Which rule of modules/observability notices which call, for a table of CloudTrail events.

Plans the module in three variants, without AWS, takes the event patterns out of the plan and matches every event with
every pattern. An event's expectation is the whole set of rules that match, so a rule that matches too much fails as well.

    python3 infrastructure/tests/guard_patterns.py        needs moto (scripts/tools), and OpenTofu or Terraform

The matcher is moto's, not EventBridge's. What EventBridge is known to do differently or to refuse is checked on the
patterns themselves: `faults`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from moto.events.models import EventPattern

ROOT = Path(__file__).resolve().parents[2]
TOFU = ROOT / "scripts" / "infrastructure-tofu"
MODULE = ROOT / "infrastructure" / "modules" / "observability"

ACCOUNT, REGION, NAME = "123456789012", "eu-central-1", "acme"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:acme/keys-20260101-AbCdEf"
POLICY_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:acme/policy-20260101-GhIjKl"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-2222-3333-4444-555555555555"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:acme-alarms"
API, DOMAIN = "a1b2c3d4e5", "id.acme.com"


def role(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


ISSUER, ROTATOR, DEPLOYER = role("acme-jwt-issuer"), role("acme-key-rotator"), role("ci/deploy")
# As long as roles get: Identity Center's.
ADMIN_DEPLOYER = role("aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_CountersignDeployment_0123456789abcdef")


def function_arn(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def parameter_arn(name):
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"


COMMON = {
    "source": str(MODULE),
    "name": NAME,
    "region": REGION,
    "account_id": ACCOUNT,
    "partition": "aws",
    "function_names": {"jwt_issuer": "acme-jwt-issuer", "jwks": "acme-jwks", "key_rotator": "acme-key-rotator"},
    "rotator_arn": function_arn("acme-key-rotator"),
    "rotator_role_arn": ROTATOR,
    "api_name": "acme",
    "api_id": API,
    "stage_name": "v1",
    "secret_arn": SECRET,
    "jwks_parameter": "/acme/jwks",
    "policy_source": {"kind": "ssm", "name_or_arn": "/acme/policy"},
    "rotation_days": 30,
}
VARIANTS = {
    # What the root makes by default, with roles that deploy.
    "usual": COMMON
    | {"deployer_role_arns": [DEPLOYER, ADMIN_DEPLOYER], "ring_reader_role_arns": [ISSUER, ROTATOR], "kms_key": {"arn": KEY}},
    # Keys in KMS, a large policy, a domain.
    "kms": COMMON
    | {
        "deployer_role_arns": [DEPLOYER, ADMIN_DEPLOYER],
        "ring_reader_role_arns": [ISSUER, ROTATOR],
        "key_store": "kms",
        "policy_source": {"kind": "secret", "name_or_arn": POLICY_SECRET},
        "domain_name": DOMAIN,
    },
    # Nobody named.
    "bare": COMMON,
}


# --- Who calls, as CloudTrail tells it ("CloudTrail userIdentity element")


def session(arn, name="someone"):
    short = arn.rsplit("/", 1)[-1]
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{short}/{name}",
        "accountId": ACCOUNT,
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": arn, "userName": short}, "attributes": {"mfaAuthenticated": "false"}},
    }


USER = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/mallory", "accountId": ACCOUNT, "userName": "mallory"}
# GetSessionToken with MFA: there is a context, and its issuer is empty.
USER_WITH_MFA = USER | {"sessionContext": {"sessionIssuer": {}, "attributes": {"mfaAuthenticated": "true"}}}
ROOT = {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
SERVICE = {"type": "AWSService", "invokedBy": "apigateway.amazonaws.com"}
STRANGER = session(role("developer"))
# A session name is free to choose; the role is not.
PRETENDER = session(role("developer"), "acme-key-rotator")
NAMESAKE = session(f"arn:aws:iam::{ACCOUNT}:role/path/acme-key-rotator")
ROTATOR_SESSION = session(ROTATOR, "acme-key-rotator")
ISSUER_SESSION = session(ISSUER, "acme-jwt-issuer")
DEPLOYER_SESSION = session(DEPLOYER, "github")
ADMIN_SESSION = session(ADMIN_DEPLOYER, "jane@acme.com")


def event(service, name, who, parameters, **more):
    """What reaches the default bus. `more` goes into `detail`."""
    return {
        "version": "0",
        "id": "0a1b2c3d-0001-4e5f-8a9b-0c1d2e3f4a5b",
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{service}",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [],
        "detail": {
            "eventVersion": "1.10",
            "userIdentity": who,
            "eventTime": "2026-01-01T00:00:00Z",
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "awsRegion": REGION,
            "sourceIPAddress": "203.0.113.24",
            "requestParameters": parameters,
        }
        | more,
    }


def put_parameter(who, name="/acme/jwks"):
    return event("ssm", "PutParameter", who, {"name": name, "type": "String", "overwrite": True, "value": "HIDDEN_DUE_TO_SECURITY_REASONS"})


def on_secret(name, who, secret=SECRET, **more):
    return event("secretsmanager", name, who, {"secretId": secret, **more})


def on_function(name, who, function="acme-jwt-issuer", **more):
    return event("lambda", name, who, {"functionName": function, **more})


def rotation(name, secret=SECRET):
    failed = event("secretsmanager", name, {"accountId": ACCOUNT, "invokedBy": "secretsmanager.amazonaws.com"}, None, additionalEventData={"SecretId": secret})
    return failed | {"detail-type": "AWS Service Event via CloudTrail"}


NOBODY = set()
# (variant, what happens, event, the rules that notice it)
TABLE = [
    # --- The published keys
    ("usual", "a role writes the key set", put_parameter(STRANGER), {"published-keys"}),
    ("usual", "an IAM user does, without a session", put_parameter(USER), {"published-keys"}),
    ("usual", "an IAM user does, with MFA", put_parameter(USER_WITH_MFA), {"published-keys"}),
    ("usual", "root does", put_parameter(ROOT), {"published-keys"}),
    ("usual", "a session that is called like the rotator does", put_parameter(PRETENDER), {"published-keys"}),
    ("usual", "the rotator's namesake under another path does", put_parameter(NAMESAKE), {"published-keys"}),
    ("usual", "a role that may deploy does", put_parameter(DEPLOYER_SESSION), NOBODY),
    ("usual", "a person who may deploy does", put_parameter(ADMIN_SESSION), NOBODY),
    ("usual", "the rotator does", put_parameter(ROTATOR_SESSION), NOBODY),
    ("usual", "the issuer does", put_parameter(ISSUER_SESSION), {"published-keys"}),
    ("usual", "by its ARN", put_parameter(STRANGER, parameter_arn("/acme/jwks")), {"published-keys"}),
    ("usual", "the rotator deletes it", event("ssm", "DeleteParameter", ROTATOR_SESSION, {"name": "/acme/jwks"}), {"published-keys"}),
    ("usual", "it is deleted among others", event("ssm", "DeleteParameters", STRANGER, {"names": ["/a", "/acme/jwks"]}), {"published-keys"}),
    ("usual", "its tags change", event("ssm", "AddTagsToResource", STRANGER, {"resourceType": "Parameter", "resourceId": "/acme/jwks"}), {"published-keys"}),
    ("usual", "a refused attempt", put_parameter(STRANGER) | {"detail": put_parameter(STRANGER)["detail"] | {"errorCode": "AccessDenied"}}, {"published-keys"}),
    ("usual", "another parameter", put_parameter(STRANGER, "/acme/jwks2"), NOBODY),
    ("bare", "nobody may deploy", put_parameter(DEPLOYER_SESSION), {"published-keys"}),
    ("bare", "and the rotator still writes", put_parameter(ROTATOR_SESSION), NOBODY),
    # --- The ring
    ("usual", "the rotator stores a ring", on_secret("PutSecretValue", ROTATOR_SESSION), NOBODY),
    ("usual", "the rotator moves the label", on_secret("UpdateSecretVersionStage", ROTATOR_SESSION), NOBODY),
    ("usual", "the rotator deletes the secret", on_secret("DeleteSecret", ROTATOR_SESSION), {"ring"}),
    ("usual", "somebody stores a ring", on_secret("PutSecretValue", STRANGER), {"ring"}),
    ("usual", "by the secret's name", on_secret("PutSecretValue", STRANGER, "acme/keys-20260101"), {"ring"}),
    ("usual", "by an ARN without its end", on_secret("PutSecretValue", STRANGER, SECRET[:-7]), {"ring"}),
    ("usual", "a user lets others in", on_secret("PutResourcePolicy", USER), {"ring"}),
    ("usual", "somebody switches rotation off", on_secret("CancelRotateSecret", STRANGER), {"ring"}),
    ("usual", "somebody names another rotator", on_secret("RotateSecret", STRANGER), {"ring"}),
    ("usual", "somebody deletes it", on_secret("DeleteSecret", ROOT), {"ring"}),
    ("usual", "a deployment sets its policy", on_secret("PutResourcePolicy", DEPLOYER_SESSION), NOBODY),
    ("usual", "another secret", on_secret("PutSecretValue", STRANGER, SECRET[:-6] + "XyXyXy"), NOBODY),
    ("usual", "the issuer reads", on_secret("GetSecretValue", ISSUER_SESSION), NOBODY),
    ("usual", "the rotator reads", on_secret("GetSecretValue", ROTATOR_SESSION), NOBODY),
    ("usual", "somebody reads", on_secret("GetSecretValue", STRANGER), {"ring-read"}),
    ("usual", "a user reads, by name", on_secret("GetSecretValue", USER, "acme/keys-20260101"), {"ring-read"}),
    ("usual", "a deployment reads, which it need not", on_secret("GetSecretValue", DEPLOYER_SESSION), {"ring-read"}),
    ("bare", "without readers reads are not told", on_secret("GetSecretValue", STRANGER), NOBODY),
    ("usual", "a rotation fails", rotation("RotationFailed"), {"rotation-failed"}),
    ("usual", "a rotation is given up", rotation("RotationAbandoned"), {"rotation-failed"}),
    ("usual", "a rotation ends well", rotation("RotationSucceeded"), NOBODY),
    ("usual", "one of another secret fails", rotation("RotationFailed", POLICY_SECRET), NOBODY),
    # --- The policy
    ("usual", "somebody writes the policy", put_parameter(STRANGER, "/acme/policy"), {"policy-parameter"}),
    ("usual", "the rotator writes the policy", put_parameter(ROTATOR_SESSION, "/acme/policy"), {"policy-parameter"}),
    ("usual", "a deployment writes the policy", put_parameter(ADMIN_SESSION, "/acme/policy"), NOBODY),
    ("bare", "without roles every deployment is told", put_parameter(DEPLOYER_SESSION, "/acme/policy"), {"policy-parameter"}),
    ("kms", "somebody writes the policy in a secret", on_secret("PutSecretValue", STRANGER, POLICY_SECRET), {"policy-secret"}),
    ("kms", "a deployment does", on_secret("PutSecretValue", DEPLOYER_SESSION, POLICY_SECRET), NOBODY),
    ("kms", "root does, by name", on_secret("UpdateSecret", ROOT, "acme/policy-20260101"), {"policy-secret"}),
    # --- The functions
    ("usual", "new code", on_function("UpdateFunctionCode20150331v2", STRANGER), {"functions"}),
    ("usual", "new code, by ARN", on_function("UpdateFunctionCode20150331v2", USER, function_arn("acme-jwks")), {"functions"}),
    ("usual", "of an alias, by ARN", on_function("UpdateAlias20150331", STRANGER, function_arn("acme-jwks") + ":live"), {"functions"}),
    ("usual", "of an alias, by name", on_function("PutProvisionedConcurrencyConfig", STRANGER, "acme-jwks:live"), {"functions"}),
    ("usual", "by a partial ARN", on_function("UpdateFunctionCode20150331v2", STRANGER, f"{ACCOUNT}:function:acme-jwks"), {"functions"}),
    ("usual", "somebody lets others invoke", on_function("AddPermission20150331v2", ROOT, "acme-key-rotator"), {"functions"}),
    ("usual", "somebody makes a URL", on_function("CreateFunctionUrlConfig", STRANGER), {"functions"}),
    ("usual", "somebody makes a trigger", on_function("CreateEventSourceMapping20150331", STRANGER, "acme-key-rotator"), {"functions"}),
    ("usual", "somebody stops the rotator", on_function("PutFunctionConcurrency20171031", STRANGER, "acme-key-rotator"), {"functions"}),
    ("usual", "a deployment changes code", on_function("UpdateFunctionCode20150331v2", DEPLOYER_SESSION), NOBODY),
    ("usual", "a revocation restarts the issuer", on_function("UpdateFunctionConfiguration20150331v2", ROTATOR_SESSION), {"revoked"}),
    ("usual", "the rotator changes code", on_function("UpdateFunctionCode20150331v2", ROTATOR_SESSION), {"functions"}),
    ("usual", "another function", on_function("UpdateFunctionCode20150331v2", STRANGER, "acme-jwks-viewer"), NOBODY),
    ("usual", "another function whose name ends alike", on_function("UpdateFunctionCode20150331v2", STRANGER, function_arn("not-acme-jwks")), NOBODY),
    ("usual", "the gateway invokes the issuer", on_function("Invoke", SERVICE), NOBODY),
    ("usual", "somebody invokes the issuer", on_function("Invoke", STRANGER), {"invoked"}),
    ("usual", "a user invokes the rotator", on_function("Invoke", USER, function_arn("acme-key-rotator")), {"invoked"}),
    ("usual", "a deployment invokes the rotator", on_function("Invoke", DEPLOYER_SESSION, "acme-key-rotator"), NOBODY),
    ("usual", "somebody asks for public documents", on_function("Invoke", STRANGER, "acme-jwks"), NOBODY),
    ("bare", "without roles everybody is told of", on_function("Invoke", DEPLOYER_SESSION), {"invoked"}),
    ("bare", "but not the gateway", on_function("Invoke", SERVICE), NOBODY),
    # --- The API
    ("usual", "somebody deploys it", event("apigateway", "CreateDeployment", STRANGER, {"restApiId": API}), {"api"}),
    ("usual", "a user changes its policy", event("apigateway", "UpdateRestApi", USER, {"restApiId": API}), {"api"}),
    ("usual", "somebody points a route elsewhere", event("apigateway", "PutIntegration", STRANGER, {"restApiId": API, "resourceId": "x", "httpMethod": "GET"}), {"api"}),
    ("usual", "another API", event("apigateway", "CreateDeployment", STRANGER, {"restApiId": "z9y8x7w6v5"}), NOBODY),
    ("usual", "a deployment", event("apigateway", "CreateDeployment", DEPLOYER_SESSION, {"restApiId": API}), NOBODY),
    ("kms", "somebody maps the domain to another API", event("apigateway", "UpdateBasePathMapping", STRANGER, {"domainName": DOMAIN, "basePath": "(none)"}), {"api"}),
    ("kms", "with a domain, the API itself", event("apigateway", "CreateDeployment", ROOT, {"restApiId": API}), {"api"}),
    ("kms", "another domain", event("apigateway", "UpdateBasePathMapping", STRANGER, {"domainName": "www.acme.com"}), NOBODY),
    # --- KMS
    ("usual", "somebody changes the key's policy", event("kms", "PutKeyPolicy", STRANGER, {"keyId": KEY, "policyName": "default"}), {"ring-key"}),
    ("usual", "root schedules its end, by id", event("kms", "ScheduleKeyDeletion", ROOT, {"keyId": KEY.rsplit("/")[-1]}), {"ring-key"}),
    ("usual", "somebody grants it", event("kms", "CreateGrant", STRANGER, {"keyId": KEY, "operations": ["Decrypt"]}), {"ring-key"}),
    ("usual", "a deployment changes its policy", event("kms", "PutKeyPolicy", DEPLOYER_SESSION, {"keyId": KEY}), NOBODY),
    ("usual", "another key", event("kms", "PutKeyPolicy", STRANGER, {"keyId": OTHER_KEY}), NOBODY),
    ("kms", "any key, where they hold the ring's", event("kms", "PutKeyPolicy", STRANGER, {"keyId": OTHER_KEY}), {"signing-keys"}),
    ("kms", "a user grants signing", event("kms", "CreateGrant", USER, {"keyId": OTHER_KEY, "operations": ["DescribeKey", "Sign"]}), {"signing-keys"}),
    ("kms", "a service grants decryption", event("kms", "CreateGrant", STRANGER, {"keyId": OTHER_KEY, "operations": ["Decrypt"]}), NOBODY),
    ("kms", "the rotator lets a key go", event("kms", "ScheduleKeyDeletion", ROTATOR_SESSION, {"keyId": OTHER_KEY}), NOBODY),
    ("kms", "the issuer signs", event("kms", "Sign", ISSUER_SESSION, {"keyId": OTHER_KEY}), NOBODY),
    ("kms", "somebody else signs", event("kms", "Sign", STRANGER, {"keyId": OTHER_KEY}), {"signed"}),
    ("kms", "a deployment signs", event("kms", "Sign", DEPLOYER_SESSION, {"keyId": OTHER_KEY}), {"signed"}),
    # --- What watches
    ("usual", "somebody makes the check say revoke", event("events", "PutTargets", STRANGER, {"rule": "acme-check", "targets": []}), {"watch"}),
    ("usual", "somebody stops the check", event("events", "DisableRule", USER, {"name": "acme-check"}), {"watch"}),
    ("usual", "somebody deletes a guard", event("events", "DeleteRule", ROOT, {"name": "acme-guard-ring"}), {"watch"}),
    ("usual", "somebody takes a guard's voice", event("events", "RemoveTargets", STRANGER, {"rule": "acme-guard-ring", "ids": ["alarms"]}), {"watch"}),
    ("usual", "a deployment writes a rule", event("events", "PutRule", ADMIN_SESSION, {"name": "acme-guard-ring"}), NOBODY),
    ("usual", "a rule of others", event("events", "PutRule", STRANGER, {"name": "nightly"}), NOBODY),
    ("usual", "somebody silences alarms", event("monitoring", "DisableAlarmActions", STRANGER, {"alarmNames": ["x", "acme-ring-age"]}), {"watch"}),
    ("usual", "somebody changes an alarm", event("monitoring", "PutMetricAlarm", STRANGER, {"alarmName": "acme-ring-age"}), {"watch"}),
    ("usual", "somebody subscribes", event("sns", "Subscribe", STRANGER, {"topicArn": TOPIC, "protocol": "email"}), {"watch"}),
    ("usual", "somebody unsubscribes", event("sns", "Unsubscribe", USER, {"subscriptionArn": TOPIC + ":1234"}), {"watch"}),
    ("usual", "a message, where a trail records those", event("sns", "Publish", SERVICE, {"topicArn": TOPIC}), NOBODY),
    ("usual", "many messages", event("sns", "PublishBatch", SERVICE, {"topicArn": TOPIC}), NOBODY),
    ("usual", "somebody stops a trail", event("cloudtrail", "StopLogging", STRANGER, {"name": "main"}), {"watch"}),
    ("bare", "without roles every change of a rule is told", event("events", "PutRule", DEPLOYER_SESSION, {"name": "acme-check"}), {"watch"}),
    # --- Not from AWS
    ("usual", "an event that somebody made up", put_parameter(STRANGER) | {"source": "mallory.ssm"}, NOBODY),
]


def plan(variants):
    """The rules of each variant, by key: state and pattern."""
    config = {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "provider": {
            "aws": {
                "region": REGION, "access_key": "x", "secret_key": "x", "skip_credentials_validation": True,
                "skip_requesting_account_id": True, "skip_metadata_api_check": True,
            }
        },
        "module": variants,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf.json").write_text(json.dumps(config))
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "AWS_")) or key.startswith("TF_CLI_CONFIG")}

        def tofu(*arguments):
            run = subprocess.run([TOFU, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
            if run.returncode:
                sys.exit(f"tofu {arguments[0]} failed:\n{run.stdout}{run.stderr}")
            return run.stdout

        tofu("init", "-input=false", "-no-color")
        tofu("plan", "-input=false", "-no-color", "-refresh=false", "-out=plan")
        planned = json.loads(tofu("show", "-json", "plan"))["planned_values"]["root_module"]["child_modules"]
    return {
        module["address"].removeprefix("module."): {
            resource["index"]: resource["values"]
            for resource in module["resources"]
            if (resource["type"], resource["name"]) == ("aws_cloudwatch_event_rule", "guard")
        }
        for module in planned
    }


OPERATORS = {"prefix", "suffix", "wildcard", "anything-but", "exists"}


def faults(pattern):
    """What EventBridge would refuse or read otherwise than moto."""
    found = []

    def leaf(path, entries):
        if not entries:
            found.append(f"{path}: an empty list")
        for entry in entries:
            if isinstance(entry, dict) and (len(entry) != 1 or set(entry) - OPERATORS):
                found.append(f"{path}: {entry} is not one operator that is known here")
            if isinstance(entry, dict) and entry.get("anything-but") == []:
                found.append(f"{path}: anything but nothing")
            if isinstance(entry, dict) and isinstance(entry.get("anything-but"), list) and not all(isinstance(v, str) for v in entry["anything-but"]):
                found.append(f"{path}: anything-but takes one kind of value")

    def walk(node, path):
        """The fields that a node names. EventBridge takes the later of two patterns for one field, moto takes both."""
        named = set()
        if not node:
            found.append(f"{path}: an empty object")
        for key, value in node.items():
            if key == "$or":
                if len(value) < 2:
                    found.append(f"{path}.$or: fewer than two branches")
                fields = set().union(*(walk(branch, path) for branch in value))
            elif isinstance(value, dict):
                fields = walk(value, f"{path}.{key}")
            else:
                leaf(f"{path}.{key}", value)
                fields = {f"{path}.{key}"}
            found.extend(f"{field}: named twice" for field in named & fields)
            named |= fields
        return named

    walk(pattern, "")
    return found


def main():
    planned = plan(VARIANTS)
    passed, failed = 0, []

    def check(what, is_so, but):
        nonlocal passed
        if is_so:
            passed += 1
        else:
            failed.append(f"{what}: {but}")

    for variant, rules in planned.items():
        for key, rule in rules.items():
            text = rule["event_pattern"]
            found = faults(json.loads(text))
            check(f"{variant}, {key}", not found, found)
            check(f"{variant}, {key}, length", len(text) <= 2048, f"{len(text)} characters")
            reads = rule["state"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
            check(f"{variant}, {key}, state", reads == (key in {"ring-read", "signed"}), rule["state"])

    for variant, what, happened, expected in TABLE:
        # A rule gets read-only calls only if its state asks for them.
        read_only = happened["detail"]["eventName"] in {"GetSecretValue", "Sign"}
        noticed = {
            key
            for key, rule in planned[variant].items()
            if EventPattern.load(rule["event_pattern"]).matches_event(happened)
            and (not read_only or rule["state"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
        }
        check(f"{variant}: {what}", noticed == expected, f"noticed by {sorted(noticed)}, not {sorted(expected)}")

    # Each rule has an event that it notices, or it is not tested.
    for key in sorted({key for rules in planned.values() for key in rules}):
        check(f"{key} is tested", any(key in expected for *_, expected in TABLE), "no event is expected to reach it")

    for line in failed:
        print(f"FAILED {line}")
    longest = max((len(rule["event_pattern"]), key) for rules in planned.values() for key, rule in rules.items())
    print(f"guard patterns: {len(TABLE)} events, {sum(map(len, planned.values()))} patterns, the longest {longest[1]} with {longest[0]} of 2048 characters")
    print(f"guard-patterns: {passed} passed, {len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
