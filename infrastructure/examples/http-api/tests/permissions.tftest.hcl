# What is only known when the API is there: applied, with a provider that makes everything up. Nothing here asks AWS.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3d4e5"
      api_endpoint  = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5"
    }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/made-up" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:made-up" }
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:lambda:eu-central-1:123456789012:function:made-up"
      invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/made-up/invocations"
    }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = {
      id  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:made-up"
      arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:made-up"
    }
  }
  mock_resource "aws_ssm_parameter" {
    defaults = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/made-up" }
  }
}

# Its check runs the command line, which is none of this test's business.
override_module {
  target = module.policy
  outputs = {
    source = "ssm:/countersign/policy"
    kind   = "ssm"
    arn    = "arn:aws:ssm:eu-central-1:123456789012:parameter/countersign/policy"
  }
}

run "one_api_one_stage_one_route" {
  variables {
    name              = "countersign"
    region            = "eu-central-1"
    policy_file       = "../../vars/policy.yaml.example"
    package_directory = "tests/packages"
    await_keys        = false
  }

  assert {
    condition = (
      aws_lambda_permission.token.principal == "apigateway.amazonaws.com" &&
      aws_lambda_permission.token.source_arn == "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/$default/POST/token"
    )
    error_message = "more than POST /token of this API's stage may invoke the issuer: ${aws_lambda_permission.token.source_arn}"
  }
  assert {
    condition = { for method, p in aws_lambda_permission.public : method => p.source_arn } == {
      GET  = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/$default/GET/.well-known/*"
      HEAD = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/$default/HEAD/.well-known/*"
    }
    error_message = "more than the public documents may invoke jwks"
  }
  assert {
    condition     = jsondecode(output.invoke_policy).Statement[0].Resource == aws_lambda_permission.token.source_arn
    error_message = "what callers are given is not the route"
  }
  assert {
    condition = (
      output.issuer_url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com" &&
      output.jwks_url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/.well-known/jwks.json"
    )
    error_message = "the issuer is not the API's URL: ${output.issuer_url}"
  }
  assert {
    condition = (
      aws_apigatewayv2_route.token.target == "integrations/${aws_apigatewayv2_integration.token.id}" &&
      aws_apigatewayv2_integration.token.integration_uri == module.jwt_issuer.invoke_arn
    )
    error_message = "POST /token goes elsewhere"
  }
}
