"""KMS, where moto 5.2.5 is not as <https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html> says:

- a digest is hashed once more, so that the signature is of something else, and its length is not looked at;
- a message may be as long as one likes;
- a key that is disabled, or waits for its end, signs and verifies all the same;
- the end of a key may be asked for twice;
- a key cannot be disabled, enabled or ended by its ARN;
- an algorithm that does not fit the key, and a key that is not for signatures, are refused with another error;
- PSS takes the longest salt that fits, where KMS takes one as long as the hash, as RFC 7518 wants it;
- a signature that is wrong is an answer, where KMS fails.
"""

import base64
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import ValidationException
from moto.kms.models import KmsBackend
from moto.kms.responses import KmsResponse

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
LONGEST_MESSAGE = 4096


def refuse_unless_enabled(key):
    if key.key_state == "Disabled":
        raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "Enabled":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def scheme(algorithm, is_digest):
    """What `cryptography` wants to be told of an algorithm, after the message."""
    hashed = HASHES[algorithm[-3:]]
    over = utils.Prehashed(hashed) if is_digest else hashed
    if algorithm.startswith("ECDSA"):
        return (ec.ECDSA(over),)
    if algorithm.startswith("RSASSA_PSS"):
        return (padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size), over)
    return (padding.PKCS1v15(), over)


def accepted(response, operation):
    """The key, the message and the scheme of a request to sign or to verify, if KMS would have it."""
    algorithm, message = response._get_param("SigningAlgorithm"), response._get_param("Message")
    is_digest = response._get_param("MessageType") == "DIGEST"
    response._validate_key_id(response._get_param("KeyId"))
    key = response.kms_backend.describe_key(response._get_param("KeyId"))
    refuse_unless_enabled(key)
    if key.key_usage != "SIGN_VERIFY":
        raise JsonRESTError(
            "InvalidKeyUsageException", f"{key.arn} key usage is {key.key_usage} which is not valid for {operation}."
        )
    if algorithm not in key.signing_algorithms:
        raise JsonRESTError(
            "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key.key_spec}."
        )
    if is_digest and len(message) != HASHES[algorithm[-3:]].digest_size:
        raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.")
    if not 1 <= len(message) <= LONGEST_MESSAGE:
        raise ValidationException(
            "1 validation error detected: Value at 'message' failed to satisfy constraint: "
            f"Member must have length between 1 and {LONGEST_MESSAGE}"
        )
    return key, message, algorithm, scheme(algorithm, is_digest)


def sign(self):
    key, message, algorithm, how = accepted(self, "Sign")
    signature = base64.b64encode(key.private_key.private_key.sign(message, *how)).decode()
    return json.dumps({"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm})


def verify(self):
    key, message, algorithm, how = accepted(self, "Verify")
    signature = base64.b64decode(self._get_param("Signature"))
    try:
        key.private_key.private_key.public_key().verify(signature, message, *how)
    except InvalidSignature:
        raise JsonRESTError("KMSInvalidSignatureException", "") from None
    return json.dumps({"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm})


def schedule_key_deletion(self):
    self._validate_cmk_id(self._get_param("KeyId"))
    key = self.kms_backend.describe_key(self._get_param("KeyId"))
    days = self._get_param("PendingWindowInDays", 30)
    # A key that is disabled may go.
    if key.key_state == "PendingDeletion":
        refuse_unless_enabled(key)
    if not 7 <= days <= 30:
        raise ValidationException("PendingWindowInDays must be between 7 and 30")
    date = self.kms_backend.schedule_key_deletion(key.id, days)
    return json.dumps(
        {"KeyId": key.arn, "DeletionDate": date, "KeyState": key.key_state, "PendingWindowInDays": days}
    )


def by_arn_too(moto):
    return lambda self, key_id: moto(self, self.get_key_id(key_id))


KmsBackend.disable_key = by_arn_too(KmsBackend.disable_key)
KmsBackend.enable_key = by_arn_too(KmsBackend.enable_key)
KmsBackend.cancel_key_deletion = by_arn_too(KmsBackend.cancel_key_deletion)
KmsResponse.sign = sign
KmsResponse.verify = verify
KmsResponse.schedule_key_deletion = schedule_key_deletion
