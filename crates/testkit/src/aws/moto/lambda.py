"""Lambda, where moto 5.2.5 is not as <https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html> says:

- how a function logs is forgotten, so that a second plan of Terraform changes every function;
- instances cannot be kept ready: PutProvisionedConcurrencyConfig and the two that go with it are not there. Here they are
  written down, and no instance is kept ready.
"""

import json
from urllib.parse import unquote

from moto.awslambda import urls
from moto.awslambda.models import LambdaFunction
from moto.awslambda.responses import LambdaResponse

KEPT_READY = {}


def init(self, account_id, spec, *rest, moto=LambdaFunction.__init__, **named):
    moto(self, account_id, spec, *rest, **named)
    self.logging_config = spec.get("LoggingConfig") or {}


def get_configuration(self, on_create=False, moto=LambdaFunction.get_configuration):
    default = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}"}
    return moto(self, on_create) | {"LoggingConfig": default | self.logging_config}


def update_configuration(self, updates, moto=LambdaFunction.update_configuration):
    self.logging_config = self.logging_config | (updates.get("LoggingConfig") or {})
    return moto(self, updates)


LambdaFunction.__init__ = init
LambdaFunction.get_configuration = get_configuration
LambdaFunction.update_configuration = update_configuration


def kept_ready(self):
    return self.current_account, self.region, unquote(self.path.rsplit("/", 2)[1]), self._get_param("Qualifier")


def put_provisioned_concurrency_config(self):
    number = self.json_body["ProvisionedConcurrentExecutions"]
    counts = ["Requested", "Available", "Allocated"]
    config = {f"{count}ProvisionedConcurrentExecutions": number for count in counts}
    KEPT_READY[kept_ready(self)] = config | {"Status": "READY", "LastModified": "2026-01-01T00:00:00+0000"}
    return 202, {"status": 202}, json.dumps(KEPT_READY[kept_ready(self)])


def get_provisioned_concurrency_config(self):
    if kept_ready(self) not in KEPT_READY:
        body = {"Type": "User", "Message": "No Provisioned Concurrency Config found for this function"}
        headers = {"status": 404, "x-amzn-errortype": "ProvisionedConcurrencyConfigNotFoundException"}
        return 404, headers, json.dumps(body)
    return 200, {"status": 200}, json.dumps(KEPT_READY[kept_ready(self)])


def delete_provisioned_concurrency_config(self):
    KEPT_READY.pop(kept_ready(self), None)
    return 204, {"status": 204}, ""


for operation in (
    put_provisioned_concurrency_config,
    get_provisioned_concurrency_config,
    delete_provisioned_concurrency_config,
):
    setattr(LambdaResponse, operation.__name__, operation)
path = r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/provisioned-concurrency/?$"
urls.url_paths[path] = LambdaResponse.dispatch
