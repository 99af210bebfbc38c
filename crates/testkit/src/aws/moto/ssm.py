"""Parameter Store, where moto 5.2.5 is not as
<https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html> says:

- a value may be as long as one likes, where a standard parameter holds 4 KB and an advanced one 8 KB;
- Intelligent-Tiering is kept as if it were a tier, where it chooses one;
- an advanced parameter can become a standard one again.

What it does right, and our tests hold it to: each put has the next version, the history comes in pages of 50 at most,
each version with its own date, and it holds the last hundred.
"""

from moto.ssm.exceptions import ValidationException
from moto.ssm.models import SimpleSystemManagerBackend

STANDARD, ADVANCED = 4096, 8192


def put_parameter(
    self,
    name,
    description,
    value,
    *rest,
    tier,
    policies,
    moto=SimpleSystemManagerBackend.put_parameter,
):
    known = self._parameters[name][-1].tier if name in self._parameters and self._parameters[name] else "Standard"
    size = len((value or "").encode())
    if tier == "Intelligent-Tiering":
        tier = "Advanced" if size > STANDARD or policies or known == "Advanced" else "Standard"
    tier = tier or known
    if tier == "Standard" and known == "Advanced":
        raise ValidationException(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the "
            "advanced-parameter tier to the standard-parameter tier."
        )
    longest = ADVANCED if tier == "Advanced" else STANDARD
    if size > longest:
        raise ValidationException(
            f"{tier} tier parameters support a maximum parameter value of {longest} characters."
        )
    return moto(self, name, description, value, *rest, tier=tier, policies=policies)


SimpleSystemManagerBackend.put_parameter = put_parameter
