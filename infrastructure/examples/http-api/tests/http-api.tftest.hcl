# Plans only, with the real provider and no server: nothing here asks AWS.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

variables {
  name              = "countersign"
  region            = "eu-central-1"
  policy_file       = "../../vars/policy.yaml.example"
  package_directory = "tests/packages"
}

run "the_token_route_alone_is_signed" {
  command = plan

  assert {
    condition     = aws_apigatewayv2_route.token.route_key == "POST /token" && aws_apigatewayv2_route.token.authorization_type == "AWS_IAM"
    error_message = "POST /token is open"
  }
  assert {
    condition = toset([for r in aws_apigatewayv2_route.public : r.route_key]) == toset([
      "GET /.well-known/jwks.json", "HEAD /.well-known/jwks.json",
      "GET /.well-known/jwks", "HEAD /.well-known/jwks",
      "GET /.well-known/openid-configuration", "HEAD /.well-known/openid-configuration",
      "GET /.well-known/oauth-authorization-server", "HEAD /.well-known/oauth-authorization-server",
    ])
    error_message = "the public routes are other ones"
  }
  assert {
    condition     = alltrue([for r in aws_apigatewayv2_route.public : r.authorization_type == "NONE"])
    error_message = "a relying party cannot sign"
  }
}

run "what_the_functions_read" {
  command = plan

  assert {
    condition     = aws_apigatewayv2_integration.token.payload_format_version == "2.0" && aws_apigatewayv2_integration.public.payload_format_version == "2.0"
    error_message = "the functions read no other payload of an HTTP API"
  }
  assert {
    condition     = aws_apigatewayv2_api.this.protocol_type == "HTTP" && aws_apigatewayv2_stage.this.name == "$default" && aws_apigatewayv2_stage.this.auto_deploy
    error_message = "the issuer is the API's URL, without a stage"
  }
}

run "throttles_and_log" {
  command = plan

  variables {
    token_throttle  = { rate = 7, burst = 8 }
    public_throttle = { rate = 9, burst = 10 }
  }

  assert {
    condition = [for s in aws_apigatewayv2_stage.this.default_route_settings : [s.throttling_rate_limit, s.throttling_burst_limit]] == [
      [9, 10],
    ]
    error_message = "public documents are not throttled"
  }
  assert {
    condition = [for s in aws_apigatewayv2_stage.this.route_settings : [s.route_key, s.throttling_rate_limit, s.throttling_burst_limit]] == [
      ["POST /token", 7, 8],
    ]
    error_message = "tokens are not throttled by themselves"
  }
  assert {
    condition = alltrue([
      for word in ["queryString", "authorization", "requestOverride", "path"] :
      !strcontains(lower(aws_apigatewayv2_stage.this.access_log_settings[0].format), lower("$context.${word}"))
    ])
    error_message = "the access log holds what a caller may have put a secret into"
  }
}

run "what_cannot_be" {
  command = plan

  variables {
    name               = "C"
    region             = "Frankfurt"
    architecture       = "riscv"
    token_throttle     = { rate = 0, burst = 1 }
    public_throttle    = { rate = 1, burst = 0 }
    log_retention_days = 0
  }

  expect_failures = [
    var.name, var.region, var.architecture, var.token_throttle, var.public_throttle, var.log_retention_days,
  ]
}
