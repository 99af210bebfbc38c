"""Secrets Manager, where moto 5.2.5 is not as AWS documents it, from here on:
<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html>

- a label other than AWSCURRENT is given to a second version while the first one keeps it, if nobody says from which
  version it goes; AWSCURRENT can be taken away without being given; a request that fails has done its first half;
- after AWSCURRENT has moved, a request that names no version still gets the old one;
- a new AWSCURRENT takes all labels of the old one, not AWSCURRENT alone;
- the content of a version that holds AWSPENDING is overwritten by a second put with its token;
- a version without a label is listed among the others, each as if it had been made just now;
- a secret that is marked for deletion is written to;
- two requests at once can both be the one that finds a label, or a token, where it was.

What it does right, and our tests hold it to: the first version gets AWSCURRENT whatever was asked, a secret without a
version has no value, a token with the same content changes nothing, and a version without a label can still be read.
"""

import json
import threading

from moto.secretsmanager.exceptions import (
    InvalidParameterException,
    InvalidRequestException,
    ResourceExistsException,
    SecretNotFoundException,
)
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend
from moto.secretsmanager.responses import SecretsManagerResponse

ONE_AT_A_TIME = threading.RLock()


def holder(secret, label):
    """The version that a label is attached to."""
    return next((name for name, version in secret.versions.items() if label in version["version_stages"]), None)


def attach(secret, label, version_id):
    """Gives a label to a version, and takes it from the one that had it."""
    had = holder(secret, label)
    if had == version_id:
        return
    if had is not None:
        secret.versions[had]["version_stages"].remove(label)
    secret.versions[version_id]["version_stages"].append(label)
    if label == "AWSCURRENT":
        # What a request gets that names neither a version nor a label.
        secret.default_version_id = version_id
        if had is not None:
            attach(secret, "AWSPREVIOUS", had)


def writable(backend, secret_id):
    if secret_id not in backend.secrets:
        raise SecretNotFoundException()
    secret = backend.secrets[secret_id]
    if secret.is_deleted():
        raise InvalidRequestException(
            "You can't perform this operation on the secret because it was marked for deletion."
        )
    return secret


def update_secret_version_stage(self, secret_id, version_stage, remove_from_version_id, move_to_version_id):
    secret, had = writable(self, secret_id), holder(self.secrets[secret_id], version_stage)
    # All that can be wrong comes first: a request that fails has changed nothing.
    for version_id in filter(None, (remove_from_version_id, move_to_version_id)):
        if version_id not in secret.versions:
            raise InvalidParameterException(f"Not a valid version: {version_id}")
    if not remove_from_version_id and not move_to_version_id:
        raise InvalidParameterException("You must specify RemoveFromVersionId, MoveToVersionId, or both.")
    if remove_from_version_id and remove_from_version_id != had:
        raise InvalidParameterException(
            f"The staging label {version_stage} isn't attached to version {remove_from_version_id}."
        )
    if not remove_from_version_id and had not in (None, move_to_version_id):
        raise InvalidParameterException(
            f"The parameter RemoveFromVersionId can't be empty. Staging label {version_stage} is currently attached to "
            f"version {had}, so you must explicitly reference that version in RemoveFromVersionId."
        )
    if version_stage == "AWSCURRENT" and not move_to_version_id:
        raise InvalidParameterException("You can only move the staging label AWSCURRENT to another version.")
    if move_to_version_id:
        attach(secret, version_stage, move_to_version_id)
    else:
        secret.versions[had]["version_stages"].remove(version_stage)
    return secret.arn, secret.name


def reset_default_version(self, secret_version, version_id):
    labels = secret_version["version_stages"]
    self.versions[version_id] = secret_version | {"version_stages": []}
    for label in labels:
        attach(self, label, version_id)


def content(version):
    return version.get("secret_string"), version.get("secret_binary")


def check_with_existing(
    self,
    secret_name,
    client_request_token,
    secret_string,
    secret_binary,
    on_create=False,
    moto=SecretsManagerBackend._check_with_existing_secrets_and_versions,
):
    secret = self.secrets.get(secret_name)
    version = secret.versions.get(client_request_token) if secret else None
    # What a rotation that moto has begun leaves behind is empty, and may be filled.
    if version and content(version) != (None, None):
        if content(version) == (secret_string, secret_binary):
            return secret
        raise ResourceExistsException(
            f"You can't use ClientRequestToken {client_request_token} because that value is already in use for a "
            f"version of secret {secret.arn}."
        )
    return moto(self, secret_name, client_request_token, secret_string, secret_binary, on_create)


def put_secret_value(self, secret_id, moto=SecretsManagerBackend.put_secret_value, **rest):
    writable(self, secret_id)
    return moto(self, secret_id, **rest)


def one_at_a_time(write):
    def locked(*arguments, **named):
        with ONE_AT_A_TIME:
            return write(*arguments, **named)

    return locked


def list_secret_version_ids(self):
    secret = self.backend.describe_secret(self._get_param("SecretId"))
    versions = [
        {"VersionId": name, "VersionStages": version["version_stages"], "CreatedDate": version["createdate"]}
        for name, version in secret.versions.items()
        if version["version_stages"] or self._get_bool_param("IncludeDeprecated", False)
    ]
    return json.dumps({"ARN": secret.arn, "Name": secret.name, "Versions": versions})


def labelled(self):
    return {name: version["version_stages"] for name, version in self.versions.items() if version["version_stages"]}


FakeSecret.reset_default_version = reset_default_version
FakeSecret._form_version_ids_to_stages = labelled
SecretsManagerBackend.update_secret_version_stage = one_at_a_time(update_secret_version_stage)
SecretsManagerBackend._check_with_existing_secrets_and_versions = check_with_existing
SecretsManagerBackend.put_secret_value = one_at_a_time(put_secret_value)
SecretsManagerResponse.list_secret_version_ids = list_secret_version_ids
