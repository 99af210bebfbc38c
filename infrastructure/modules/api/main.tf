# A regional REST API with two kinds of routes: POST /token, for whoever signs as an IAM principal that the resource policy
# lets in, and GET and HEAD of the public documents, for everybody.

locals {
  documents = ["jwks.json", "jwks", "openid-configuration", "oauth-authorization-server"]

  # What a policy, a permission and a method's settings call a route.
  public_methods = {
    for pair in setproduct(["GET", "HEAD"], local.documents) :
    "${pair[0]} /.well-known/${pair[1]}" => { method = pair[0], document = pair[1] }
  }
}

resource "aws_api_gateway_rest_api" "this" {
  name                         = var.name
  description                  = "Tokens for IAM principals, and the keys to verify them"
  disable_execute_api_endpoint = var.disable_default_endpoint

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

# --- Routes

resource "aws_api_gateway_resource" "token" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "token"
}

resource "aws_api_gateway_resource" "well_known" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = ".well-known"
}

resource "aws_api_gateway_resource" "document" {
  for_each = toset(local.documents)

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.well_known.id
  path_part   = each.key
}

resource "aws_api_gateway_method" "token" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = aws_api_gateway_resource.token.id
  http_method   = "POST"
  authorization = "AWS_IAM"
}

resource "aws_api_gateway_integration" "token" {
  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_resource.token.id
  http_method             = aws_api_gateway_method.token.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = var.issuer_invoke_arn
}

resource "aws_api_gateway_method" "public" {
  for_each = local.public_methods

  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = aws_api_gateway_resource.document[each.value.document].id
  http_method   = each.value.method
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "public" {
  for_each = local.public_methods

  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_resource.document[each.value.document].id
  http_method             = aws_api_gateway_method.public[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = var.jwks_invoke_arn
}

# --- Who may call ("API Gateway resource policies", "How API Gateway resource policies affect authorization workflow")

locals {
  token_arn   = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage_name}/POST/token"
  public_arns = [for method in ["GET", "HEAD"] : "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage_name}/${method}/.well-known/*"]

  # Within the account an IAM policy alone lets a caller in, so it takes a denial to keep somebody out. A negated condition
  # holds for a caller without that key as well.
  ours = length(var.organization_ids) > 0 ? { "aws:PrincipalOrgID" = var.organization_ids } : { "aws:PrincipalAccount" = [var.account_id] }
}

resource "aws_api_gateway_rest_api_policy" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "EverybodyReadsKeys"
          Effect    = "Allow"
          Principal = "*"
          Action    = "execute-api:Invoke"
          Resource  = local.public_arns
        },
        {
          Sid       = "OurPrincipalsAskForTokens"
          Effect    = "Allow"
          Principal = "*"
          Action    = "execute-api:Invoke"
          Resource  = local.token_arn
          Condition = { StringEquals = local.ours }
        },
        {
          Sid       = "NobodyElseDoes"
          Effect    = "Deny"
          Principal = "*"
          Action    = "execute-api:Invoke"
          Resource  = local.token_arn
          Condition = { StringNotEquals = local.ours }
        },
      ],
      # A person of Identity Center is told by the role's name. Only AWS makes roles below this path.
      var.deny_forged_identity_center_names ? [{
        Sid       = "NobodyWearsANameOfIdentityCenter"
        Effect    = "Deny"
        Principal = "*"
        Action    = "execute-api:Invoke"
        Resource  = local.token_arn
        Condition = {
          StringLike    = { "aws:PrincipalArn" = "arn:${var.partition}:iam::*:role/*AWSReservedSSO_*" }
          StringNotLike = { "aws:PrincipalArn" = "arn:${var.partition}:iam::*:role/aws-reserved/sso.amazonaws.com/*" }
        }
      }] : [],
    )
  })
}

# --- What the gateway itself answers, in the form in which the functions answer (RFC 6749 section 5.2)

locals {
  # The gateway's own words are kept: `countersign token` explains them. A status of null is the gateway's own.
  responses = {
    ACCESS_DENIED                = { status = "403", error = "access_denied", retry = false }
    API_CONFIGURATION_ERROR      = { status = "500", error = "server_error", retry = false }
    DEFAULT_4XX                  = { status = null, error = "invalid_request", retry = false }
    DEFAULT_5XX                  = { status = null, error = "server_error", retry = false }
    EXPIRED_TOKEN                = { status = "403", error = "access_denied", retry = false }
    INTEGRATION_FAILURE          = { status = "503", error = "temporarily_unavailable", retry = true }
    INTEGRATION_TIMEOUT          = { status = "503", error = "temporarily_unavailable", retry = true }
    INVALID_SIGNATURE            = { status = "403", error = "access_denied", retry = false }
    MISSING_AUTHENTICATION_TOKEN = { status = "403", error = "access_denied", retry = false }
    REQUEST_TOO_LARGE            = { status = "413", error = "invalid_request", retry = false }
    RESOURCE_NOT_FOUND           = { status = "404", error = "not_found", retry = false }
    THROTTLED                    = { status = "429", error = "temporarily_unavailable", retry = true }
    UNAUTHORIZED                 = { status = "401", error = "access_denied", retry = false }
    WAF_FILTERED                 = { status = "403", error = "access_denied", retry = false }
  }
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each = local.responses

  rest_api_id   = aws_api_gateway_rest_api.this.id
  response_type = each.key
  status_code   = each.value.status

  response_templates = {
    # `messageString` comes with its quotes.
    "application/json" = "{\"error\":\"${each.value.error}\",\"error_description\":$context.error.messageString}"
  }

  response_parameters = merge(
    {
      "gatewayresponse.header.Cache-Control" = "'no-store'"
      "gatewayresponse.header.x-request-id"  = "context.requestId"
    },
    each.value.retry ? { "gatewayresponse.header.Retry-After" = "'5'" } : {},
  )
}

# --- The stage

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  # A change that is not deployed is no change, that of the policy included.
  triggers = {
    # Named one by one: what the provider fills in after a method is made would look like a change of it.
    everything = sha256(jsonencode([
      [for m in concat([aws_api_gateway_method.token], values(aws_api_gateway_method.public)) : [m.resource_id, m.http_method, m.authorization]],
      [for i in concat([aws_api_gateway_integration.token], values(aws_api_gateway_integration.public)) : [i.resource_id, i.http_method, i.type, i.uri]],
      [for r in values(aws_api_gateway_gateway_response.this) : [r.response_type, r.status_code, r.response_templates, r.response_parameters]],
      [for r in concat([aws_api_gateway_resource.token, aws_api_gateway_resource.well_known], values(aws_api_gateway_resource.document)) : r.path_part],
      aws_api_gateway_rest_api_policy.this.policy,
      var.disable_default_endpoint,
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
  rest_api_id   = aws_api_gateway_rest_api.this.id
  deployment_id = aws_api_gateway_deployment.this.id
  stage_name    = var.stage_name

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    # Neither the query nor a header other than the client's name, and the route in place of the path.
    format = jsonencode({
      requestId         = "$context.requestId"
      extendedRequestId = "$context.extendedRequestId"
      time              = "$context.requestTimeEpoch"
      method            = "$context.httpMethod"
      route             = "$context.resourcePath"
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
      wafStatus         = "$context.waf.status"
      integrationStatus = "$context.integration.status"
      responseLatency   = "$context.responseLatency"
      responseLength    = "$context.responseLength"
    })
  }

  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "all" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    # Metrics of each method are billed apart, and no alarm needs them: those of the stage are there anyway.
    metrics_enabled        = false
    data_trace_enabled     = false
    logging_level          = "OFF"
    caching_enabled        = false
    throttling_rate_limit  = var.public_throttle.rate
    throttling_burst_limit = var.public_throttle.burst
  }
}

resource "aws_api_gateway_method_settings" "token" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "token/POST"

  settings {
    metrics_enabled        = false
    data_trace_enabled     = false
    logging_level          = "OFF"
    caching_enabled        = false
    throttling_rate_limit  = var.token_throttle.rate
    throttling_burst_limit = var.token_throttle.burst
  }
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}

# --- The account's role for logs

resource "aws_api_gateway_account" "this" {
  count = var.manage_account ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.logs[0].arn

  depends_on = [aws_iam_role_policy_attachment.logs]
}

resource "aws_iam_role" "logs" {
  count = var.manage_account ? 1 : 0

  name        = "${var.name}-apigateway-logs"
  description = "Lets API Gateway write logs, for every API of this account and region"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  count = var.manage_account ? 1 : 0

  role       = aws_iam_role.logs[0].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
