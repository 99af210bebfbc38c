# The HTTP API: POST /token, for whoever signs as an IAM principal of this account that may invoke it, and GET and HEAD of
# the public documents, for everybody.

locals {
  # The function answers HEAD. An HTTP API does not send it there with GET: it needs routes of its own.
  documents     = ["jwks.json", "jwks", "openid-configuration", "oauth-authorization-server"]
  public_routes = toset([for pair in setproduct(["GET", "HEAD"], local.documents) : "${pair[0]} /.well-known/${pair[1]}"])

  token_arn = "${aws_apigatewayv2_api.this.execution_arn}/$default/POST/token"
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "Tokens for IAM principals of this account, and the keys to verify them"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "token" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = module.jwt_issuer.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 12000
}

resource "aws_apigatewayv2_integration" "public" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = module.jwks.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 12000
}

resource "aws_apigatewayv2_route" "token" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "POST /token"
  authorization_type = "AWS_IAM"
  target             = "integrations/${aws_apigatewayv2_integration.token.id}"
}

resource "aws_apigatewayv2_route" "public" {
  # checkov:skip=CKV_AWS_309: relying parties fetch the public keys, and have no credentials for it

  for_each = local.public_routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.public.id}"
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    detailed_metrics_enabled = true
    throttling_rate_limit    = var.public_throttle.rate
    throttling_burst_limit   = var.public_throttle.burst
  }

  route_settings {
    route_key                = aws_apigatewayv2_route.token.route_key
    detailed_metrics_enabled = true
    throttling_rate_limit    = var.token_throttle.rate
    throttling_burst_limit   = var.token_throttle.burst
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    # Neither the query nor a header other than the client's name, and the route in place of the path.
    format = jsonencode({
      requestId         = "$context.requestId"
      extendedRequestId = "$context.extendedRequestId"
      time              = "$context.requestTimeEpoch"
      method            = "$context.httpMethod"
      route             = "$context.routeKey"
      status            = "$context.status"
      protocol          = "$context.protocol"
      domain            = "$context.domainName"
      sourceIp          = "$context.identity.sourceIp"
      userAgent         = "$context.identity.userAgent"
      caller            = "$context.identity.userArn"
      principalId       = "$context.identity.caller"
      account           = "$context.identity.accountId"
      error             = "$context.error.message"
      errorType         = "$context.error.responseType"
      integrationStatus = "$context.integrationStatus"
      responseLatency   = "$context.responseLatency"
      responseLength    = "$context.responseLength"
    })
  }
}

resource "aws_cloudwatch_log_group" "access" {
  # checkov:skip=CKV_AWS_158: CloudWatch encrypts it with a key of its own; the modules take one where that is not enough

  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
}

# Whoever may invoke the function can write any caller into an event: so one API, one stage, one route.
resource "aws_lambda_permission" "token" {
  statement_id  = "post-token"
  action        = "lambda:InvokeFunction"
  function_name = module.jwt_issuer.arn
  principal     = "apigateway.amazonaws.com"
  source_arn    = local.token_arn
}

resource "aws_lambda_permission" "public" {
  for_each = toset(["GET", "HEAD"])

  statement_id  = "${lower(each.key)}-well-known"
  action        = "lambda:InvokeFunction"
  function_name = module.jwks.arn
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/$default/${each.key}/.well-known/*"
}
