# What is inside the modules, and what they refuse. The real provider, offline.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name               = "acme"
  region             = "eu-central-1"
  account_id         = "111122223333"
  partition          = "aws"
  log_retention_days = 365
}

# --- api

run "api" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    issuer_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:acme-jwt-issuer/invocations"
    jwks_invoke_arn   = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:acme-jwks/invocations"
    organization_ids  = ["o-abcde12345"]
    token_throttle    = { rate = 100, burst = 200 }
    public_throttle   = { rate = 300, burst = 400 }
  }

  assert {
    condition     = aws_api_gateway_rest_api.this.endpoint_configuration[0].types == tolist(["REGIONAL"]) && aws_api_gateway_rest_api.this.disable_execute_api_endpoint == false
    error_message = "a regional API with its own URL"
  }
  assert {
    condition     = aws_api_gateway_method.token.authorization == "AWS_IAM" && aws_api_gateway_method.token.http_method == "POST" && aws_api_gateway_resource.token.path_part == "token"
    error_message = "POST /token is signed"
  }
  assert {
    condition     = aws_api_gateway_integration.token.uri == var.issuer_invoke_arn && aws_api_gateway_integration.token.type == "AWS_PROXY" && alltrue([for i in aws_api_gateway_integration.public : i.uri == var.jwks_invoke_arn && i.type == "AWS_PROXY"])
    error_message = "each route has its function"
  }
  assert {
    condition = alltrue([
      for s in [aws_api_gateway_method_settings.all.settings[0], aws_api_gateway_method_settings.token.settings[0]] : s.data_trace_enabled == false && s.logging_level == "OFF" && s.caching_enabled == false
    ])
    error_message = "no bodies are written down and no answers kept"
  }
  assert {
    condition     = [aws_api_gateway_method_settings.all.method_path, aws_api_gateway_method_settings.all.settings[0].throttling_rate_limit, aws_api_gateway_method_settings.all.settings[0].throttling_burst_limit] == ["*/*", 300, 400] && [aws_api_gateway_method_settings.token.method_path, aws_api_gateway_method_settings.token.settings[0].throttling_rate_limit, aws_api_gateway_method_settings.token.settings[0].throttling_burst_limit] == ["token/POST", 100, 200]
    error_message = "throttles by route"
  }
  assert {
    condition = alltrue([
      for field in values(jsondecode(aws_api_gateway_stage.this.access_log_settings[0].format)) : !strcontains(lower(field), "authoriz") && !strcontains(lower(field), "query") && field != "$context.path"
    ])
    error_message = "the access log has neither query nor authorization"
  }
  assert {
    condition     = aws_cloudwatch_log_group.access.retention_in_days == 365
    error_message = "the access log is kept for as long as asked"
  }
  assert {
    condition = alltrue([
      for r in aws_api_gateway_gateway_response.this : can(jsondecode(replace(r.response_templates["application/json"], "$context.error.messageString", "\"words\"")).error) &&
      r.response_parameters["gatewayresponse.header.x-request-id"] == "context.requestId" && r.response_parameters["gatewayresponse.header.Cache-Control"] == "'no-store'"
    ])
    error_message = "what the gateway answers itself is JSON of our form, with an id, and not to be cached"
  }
  assert {
    condition     = length(setsubtract(["ACCESS_DENIED", "DEFAULT_4XX", "DEFAULT_5XX", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED", "WAF_FILTERED"], keys(aws_api_gateway_gateway_response.this))) == 0
    error_message = "no answer of the gateway is left in its own form"
  }
}

run "api_on_a_domain" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    issuer_invoke_arn        = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/f/invocations"
    jwks_invoke_arn          = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/f/invocations"
    token_throttle           = { rate = 100, burst = 200 }
    public_throttle          = { rate = 300, burst = 400 }
    disable_default_endpoint = true
  }

  assert {
    condition     = aws_api_gateway_rest_api.this.disable_execute_api_endpoint == true
    error_message = "the default endpoint is off"
  }
}

run "api_refuses" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    issuer_invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/f/invocations"
    jwks_invoke_arn   = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/f/invocations"
    stage_name        = "test-invoke-stage"
    organization_ids  = ["123456789012"]
    token_throttle    = { rate = 0, burst = 1 }
    public_throttle   = { rate = 1, burst = 0 }
  }

  expect_failures = [var.stage_name, var.organization_ids, var.token_throttle, var.public_throttle]
}

# --- lambda

run "lambda" {
  command = plan

  module {
    source = "./modules/lambda"
  }

  variables {
    description          = "A function"
    package              = { type = "Zip", file = "tests/fixtures/packages/arm64/jwks.zip" }
    architecture         = "arm64"
    memory_mb            = 256
    timeout_seconds      = 10
    reserved_concurrency = 1
    environment          = { A = "b" }
    statements           = [{ actions = ["ssm:GetParameter"], resources = ["arn:aws:ssm:eu-central-1:111122223333:parameter/acme/jwks"] }]
    log_kms_key_arn      = "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d"
  }

  assert {
    condition     = aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.reserved_concurrent_executions == 1 && aws_lambda_function.this.publish == false
    error_message = "what runs"
  }
  assert {
    condition     = aws_lambda_function.this.logging_config[0].log_format == "JSON" && aws_lambda_function.this.logging_config[0].application_log_level == "INFO"
    error_message = "no record is lost on the way to the log"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 365 && aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn
    error_message = "the log is kept for as long as asked, and encrypted"
  }
  assert {
    condition     = length(aws_lambda_alias.live) == 0
    error_message = "no alias unless instances are kept ready"
  }
}

run "lambda_without_its_package" {
  command = plan

  module {
    source = "./modules/lambda"
  }

  variables {
    description     = "A function"
    package         = { type = "Zip", file = "tests/fixtures/packages/x86_64/jwks.zip" }
    architecture    = "x86_64"
    memory_mb       = 256
    timeout_seconds = 10
    environment     = {}
    statements      = []
  }

  expect_failures = [aws_lambda_function.this]
}

run "lambda_refuses" {
  command = plan

  module {
    source = "./modules/lambda"
  }

  variables {
    name                    = "a function"
    description             = "A function"
    package                 = { type = "Jar", file = "x.jar" }
    architecture            = "amd64"
    memory_mb               = 64
    timeout_seconds         = 3
    reserved_concurrency    = 0
    provisioned_concurrency = -1
    environment             = {}
    statements              = [{ actions = ["ssm:Get*"], resources = ["arn:aws:ssm:eu-central-1:111122223333:parameter/acme/jwks"] }]
  }

  expect_failures = [
    var.name, var.package, var.architecture, var.memory_mb, var.timeout_seconds, var.reserved_concurrency,
    var.provisioned_concurrency, var.statements,
  ]
}

run "lambda_refuses_every_resource_and_a_mixed_package" {
  command = plan

  module {
    source = "./modules/lambda"
  }

  variables {
    description     = "A function"
    package         = { type = "Image", file = "x.zip" }
    architecture    = "arm64"
    memory_mb       = 256
    timeout_seconds = 10
    environment     = {}
    statements      = [{ actions = ["ssm:GetParameter"], resources = ["*"] }]
  }

  expect_failures = [var.package, var.statements]
}

# --- keys

run "keys" {
  command = plan

  module {
    source = "./modules/keys"
  }

  variables {
    issuer_role_arn  = "arn:aws:iam::111122223333:role/acme-jwt-issuer"
    rotator_role_arn = "arn:aws:iam::111122223333:role/acme-key-rotator"
    rotator_arn      = "arn:aws:lambda:eu-central-1:111122223333:function:acme-key-rotator"
    rotation_days    = 30
  }

  assert {
    condition     = aws_secretsmanager_secret_rotation.ring.rotate_immediately == true && aws_secretsmanager_secret_rotation.ring.rotation_rules[0].automatically_after_days == 30
    error_message = "keys rotate each month, and for the first time at once"
  }
  assert {
    condition     = aws_ssm_parameter.jwks.insecure_value == jsonencode({ keys = [] }) && aws_ssm_parameter.jwks.type == "String"
    error_message = "the parameter begins with no key"
  }
  assert {
    condition     = aws_secretsmanager_secret_policy.ring.block_public_policy == true
    error_message = "Secrets Manager refuses a policy that lets the public in"
  }
}

run "keys_refuse" {
  command = plan

  module {
    source = "./modules/keys"
  }

  variables {
    issuer_role_arn  = "arn:aws:iam::111122223333:role/acme-jwt-issuer"
    rotator_role_arn = "arn:aws:iam::111122223333:role/acme-key-rotator"
    rotator_arn      = "arn:aws:lambda:eu-central-1:111122223333:function:acme-key-rotator"
    rotation_days    = 1
  }

  expect_failures = [var.rotation_days]
}

# --- certificate

run "certificate_refuses" {
  command = plan

  module {
    source = "./modules/certificate"
  }

  variables {
    domain_name = "https://id.example.com"
    zone_id     = "example.com"
  }

  expect_failures = [var.domain_name, var.zone_id]
}

# --- policy

run "policy" {
  command = plan

  module {
    source = "./modules/policy"
  }

  variables {
    file = "tests/fixtures/policy.yaml"
  }

  assert {
    condition     = aws_ssm_parameter.policy[0].insecure_value == jsonencode(yamldecode(file("tests/fixtures/policy.yaml"))) && aws_ssm_parameter.policy[0].name == "/acme/policy" && length(aws_secretsmanager_secret.policy) == 0
    error_message = "a small policy is a parameter, as JSON"
  }
}

run "policy_above_8_kib" {
  command = plan

  module {
    source = "./modules/policy"
  }

  variables {
    file             = "tests/fixtures/large-policy.yaml"
    writer_role_arns = ["arn:aws:iam::111122223333:role/deploy"]
  }

  assert {
    condition     = length(aws_ssm_parameter.policy) == 0 && aws_secretsmanager_secret.policy[0].name_prefix == "acme/policy-"
    error_message = "a large policy is a secret"
  }
  assert {
    condition     = [for s in jsondecode(aws_secretsmanager_secret_policy.policy[0].policy).Statement : [s.Effect, s.Principal, s.Condition]] == [["Deny", "*", { ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/deploy"] } }]]
    error_message = "which deployers alone write"
  }
}

run "policy_that_is_not_there" {
  command = plan

  module {
    source = "./modules/policy"
  }

  variables {
    file = "tests/fixtures/nowhere.yaml"
  }

  expect_failures = [var.file]
}

run "policy_that_is_none" {
  command = plan

  module {
    source = "./modules/policy"
  }

  variables {
    file = "tests/fixtures/no-policy.yaml"
  }

  expect_failures = [var.file]
}

run "policy_that_is_too_large" {
  command = plan

  module {
    source = "./modules/policy"
  }

  variables {
    file = "tests/fixtures/too-large-policy.json"
  }

  expect_failures = [terraform_data.checked]
}
