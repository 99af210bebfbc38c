"""Rotation, where moto 5.2.5 is not as
<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html> says, or cannot be:

- a rotation begins while another one is under way, and not while the label AWSPENDING stands where it may;
- it needs no function, and forgets the one that it has;
- a secret without a version has no pending one;
- with a function it runs the steps before it answers, in a container, and makes the pending version the current one.

What follows the answer is whoever calls this with `AWSPENDING` on a version of its own: `deployed/rotation.rs`.
"""

import time

from moto.moto_api._internal import mock_random


def rotate_secret(
    self, secret_id, client_request_token=None, rotation_lambda_arn=None, rotation_rules=None, rotate_immediately=True
):
    secret = writable(self, secret_id)
    if holder(secret, "AWSPENDING") not in (None, holder(secret, "AWSCURRENT")):
        raise InvalidRequestException(
            "A previous rotation isn't complete. That rotation will be reattempted."
        )
    if not (rotation_lambda_arn or secret.rotation_lambda_arn):
        raise InvalidRequestException(
            "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured and you "
            "didn't include such an ARN as a parameter in this call."
        )
    if client_request_token:
        self._client_request_token_validator(client_request_token)
    secret.rotation_lambda_arn = rotation_lambda_arn or secret.rotation_lambda_arn
    if rotation_rules:
        secret.auto_rotate_after_days = rotation_rules.get("AutomaticallyAfterDays", 0)
    secret.rotation_requested = secret.rotation_enabled = True
    now = int(time.time())
    secret.next_rotation_date = now + 86400 * (secret.auto_rotate_after_days or 0)
    version = client_request_token or str(mock_random.uuid4())
    if version not in secret.versions:
        secret.versions[version] = {"createdate": now, "version_id": version, "version_stages": []}
    attach(secret, "AWSPENDING", version)
    return secret.to_short_dict(version_id=version)


SecretsManagerBackend.rotate_secret = one_at_a_time(rotate_secret)
