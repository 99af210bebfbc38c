"""API Gateway, where moto 5.2.5 is not as the AWS provider of Terraform needs it:

- AWS hands an API's resource policy back as it stands in a JSON text, each quotation mark with a backslash before it
  (<https://docs.aws.amazon.com/apigateway/latest/api/API_RestApi.html>), and the provider takes that apart.
"""

from moto.apigateway.models import RestAPI


def to_dict(self, moto=RestAPI.to_dict):
    api = moto(self)
    if api.get("policy"):
        api["policy"] = json.dumps(api["policy"])[1:-1]
    return api


RestAPI.to_dict = to_dict
