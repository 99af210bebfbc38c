#!/usr/bin/env python3
"""The module snowflake_oauth without its provider, which cannot be had everywhere.

OpenTofu evaluates the module itself: in a copy, the resource becomes the built-in terraform_data, with the same arguments in
its `input`. What comes out of a plan is compared with the provider's documented schema (fixtures/snowflake_external_oauth_
integration.json says from where), and each variable refuses what it cannot be. Not shown: that the provider takes it, and what
Snowflake does with it.

    python3 infrastructure/tests/snowflake_module.py        needs OpenTofu or Terraform
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODULE = HERE.parent / "modules" / "snowflake_oauth"
EXAMPLE = MODULE / "examples" / "by-policy" / "main.tf"
TOFU = HERE.parent.parent / "scripts" / "infrastructure-tofu"
SCHEMA = json.loads((HERE / "fixtures" / "snowflake_external_oauth_integration.json").read_text())
RESOURCE = SCHEMA["resource"]

LEAST = {"name": "COUNTERSIGN", "issuer_url": "https://id.acme.com", "audiences": ["https://acme.snowflakecomputing.com"]}

# Variables beside LEAST, and the arguments that differ then.
TAKEN = [
    ({}, {}),
    ({"jwks_url": "https://keys.acme.com/set.json"}, {"external_oauth_jws_keys_url": ["https://keys.acme.com/set.json"]}),
    ({"any_role_mode": "ENABLE"}, {"external_oauth_any_role_mode": "ENABLE"}),
    ({"any_role_mode": "ENABLE_FOR_PRIVILEGE", "enabled": False}, {"external_oauth_any_role_mode": "ENABLE_FOR_PRIVILEGE", "enabled": False}),
    ({"allowed_roles": ["LOADER"]}, {"external_oauth_allowed_roles_list": ["LOADER"]}),
    ({"blocked_roles": ["SYSADMIN"]}, {"external_oauth_blocked_roles_list": ["SYSADMIN"]}),
    (
        {"user_mapping_claims": ["email"], "user_mapping_attribute": "EMAIL_ADDRESS", "scope_attribute": "scope"},
        {
            "external_oauth_token_user_mapping_claim": ["email"],
            "external_oauth_snowflake_user_mapping_attribute": "EMAIL_ADDRESS",
            "external_oauth_scope_mapping_attribute": "scope",
        },
    ),
]
USUAL = {
    "name": "COUNTERSIGN",
    "enabled": True,
    "comment": "Tokens of Countersign",
    "external_oauth_type": "CUSTOM",
    "external_oauth_issuer": "https://id.acme.com",
    "external_oauth_jws_keys_url": ["https://id.acme.com/.well-known/jwks.json"],
    "external_oauth_audience_list": ["https://acme.snowflakecomputing.com"],
    "external_oauth_token_user_mapping_claim": ["sub"],
    "external_oauth_snowflake_user_mapping_attribute": "LOGIN_NAME",
    "external_oauth_scope_mapping_attribute": "scp",
    "external_oauth_any_role_mode": "DISABLE",
}
# Each variable that refuses: all values of a round are refused in one plan, each by its own message.
REFUSED = [
    {
        "name": "x.y",
        "issuer_url": "http://id.acme.com",
        "jwks_url": "http://id.acme.com/jwks",
        "audiences": [],
        "any_role_mode": "enable",
        "user_mapping_claims": [],
        "user_mapping_attribute": "NAME",
        "scope_attribute": "roles",
    },
    {"name": "1X", "issuer_url": "https://id.acme.com/", "audiences": ["a", "a"]},
    {"name": 'X"Y', "issuer_url": "https://id.acme.com?x", "audiences": ["a b"]},
    {"allowed_roles": ["A"], "blocked_roles": ["B"]},
]


def without_provider(folder):
    """The module in `folder`, with terraform_data in the provider's place."""
    for name in ["variables.tf", "main.tf"]:
        (folder / name).write_text((MODULE / name).read_text())
    main = (folder / "main.tf").read_text()
    blocks = re.findall(r'^resource "(\w+)" "this" \{\n(.*?)^\}\n', main, flags=re.S | re.M)
    assert [kind for kind, _ in blocks] == [RESOURCE], "main.tf is this one resource"
    (folder / "main.tf").write_text('resource "terraform_data" "this" {\n  input = {\n' + blocks[0][1] + "  }\n}\n")


def tofu(folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    environment |= {"TF_IN_AUTOMATION": "true", "TF_INPUT": "false", "CHECKPOINT_DISABLE": "true"}
    return subprocess.run([TOFU, f"-chdir={folder}", *arguments], capture_output=True, text=True, env=environment)


def plan(folder, variables):
    (folder / "case.auto.tfvars.json").write_text(json.dumps(LEAST | variables))
    return tofu(folder, "plan", "-no-color", "-lock=false", "-out=plan")


def kind(value):
    return {bool: "bool", str: "string", list: "set"}[type(value)]


def check(arguments):
    """The provider's own rules for the arguments, as documented."""
    known = SCHEMA["arguments"]
    assert set(arguments) <= set(known), f"unknown: {set(arguments) - set(known)}"
    missing = {name for name, rule in known.items() if rule.get("required")} - set(arguments)
    assert not missing, f"missing: {missing}"
    for name, value in arguments.items():
        rule = known[name]
        assert kind(value) == rule["type"], f"{name} is a {rule['type']}: {value!r}"
        assert value in rule.get("values", [value]), f"{name}: {value!r}"
        assert not set(rule.get("without", "")) & set(value if rule["type"] == "string" else []), f"{name}: {value!r}"
        assert rule["type"] != "set" or len(value) <= rule.get("most", len(value)), f"{name}: {value!r}"
        assert not set(rule.get("conflicts", [])) & set(arguments), f"{name} and one of {rule['conflicts']}"


def main():
    # The example gives what there is.
    declared = set(re.findall(r'^variable "(\w+)"', (MODULE / "variables.tf").read_text(), flags=re.M))
    call = re.search(r'^module "snowflake_oauth" \{\n(.*?)^\}', EXAMPLE.read_text(), flags=re.S | re.M).group(1)
    given = set(re.findall(r"^  (\w+) +=", call, flags=re.M)) - {"source"}
    assert set(LEAST) <= given <= declared, given
    outputs = set(re.findall(RESOURCE + r"\.this\.(\w+)", (MODULE / "outputs.tf").read_text()))
    assert outputs and outputs <= set(SCHEMA["arguments"]) | set(SCHEMA["read_only"]), outputs
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        without_provider(folder)
        done = tofu(folder, "init", "-backend=false", "-no-color")
        assert done.returncode == 0, done.stderr
        for variables, differing in TAKEN:
            done = plan(folder, variables)
            assert done.returncode == 0, f"{variables}: {done.stderr}"
            shown = json.loads(tofu(folder, "show", "-json", "plan").stdout)
            values = shown["planned_values"]["root_module"]["resources"][0]["values"]["input"]
            arguments = {name: value for name, value in values.items() if value is not None}
            check(arguments)
            assert arguments == USUAL | differing, arguments
        for variables in REFUSED:
            done = plan(folder, variables)
            assert done.returncode == 1, f"{variables} is taken"
            said = set(re.findall(r"^(?:│ )?([a-z_]+): ", done.stderr, flags=re.M))
            # Of the two that exclude each other, one says so.
            refused = set(variables) - {"allowed_roles"}
            assert said == refused, f"{variables}: refused are {said}: {done.stderr}"
    print(f"snowflake_module: {len(TAKEN)} sets of variables fit the documented schema, {len(REFUSED)} are refused")


if __name__ == "__main__":
    sys.exit(main())
