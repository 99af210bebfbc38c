# Countersign behind an HTTP API, for callers of this one account. README.md says what is given up for the lower price.

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "countersign", deployment = var.name }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # Named here, since policies have to name a role before it is there.
  functions = {
    jwt_issuer  = "${var.name}-jwt-issuer"
    jwks        = "${var.name}-jwks"
    key_rotator = "${var.name}-key-rotator"
  }
  role_arns     = { for key, name in local.functions : key => "arn:${local.partition}:iam::${local.account_id}:role/${name}" }
  function_arns = { for key, name in local.functions : key => "arn:${local.partition}:lambda:${var.region}:${local.account_id}:function:${name}" }
  packages      = "${var.package_directory}/${var.architecture}"

  # The stage $default has no name in the URL, so the issuer is the API's own URL.
  issuer_url = aws_apigatewayv2_api.this.api_endpoint
  jwks_url   = "${local.issuer_url}/.well-known/jwks.json"

  certificates = { SSL_CERT_FILE = "/etc/pki/tls/certs/ca-bundle.crt" }
}

module "keys" {
  source = "../../modules/keys"

  name                     = var.name
  region                   = var.region
  account_id               = local.account_id
  partition                = local.partition
  issuer_role_arn          = local.role_arns.jwt_issuer
  rotator_role_arn         = local.role_arns.key_rotator
  rotator_arn              = module.key_rotator.arn
  rotation_days            = 30
  dangerous_waive_recovery = var.dangerous_waive_key_recovery
}

module "policy" {
  source = "../../modules/policy"

  name = var.name
  file = var.policy_file
}

module "jwt_issuer" {
  source = "../../modules/lambda"

  name               = local.functions.jwt_issuer
  description        = "Countersign: tokens for IAM principals"
  package            = { type = "Zip", file = "${local.packages}/jwt-issuer.zip" }
  architecture       = var.architecture
  memory_mb          = 256
  timeout_seconds    = 10
  log_retention_days = var.log_retention_days

  # No ALLOWED_ORG_IDS: an HTTP API does not tell reliably of which organisation a caller is.
  environment = merge(local.certificates, {
    JWT_ISSUER_URL         = local.issuer_url
    SIGNING_KEY_SECRET_ARN = module.keys.secret_arn
    POLICY_SOURCE          = module.policy.source
    GATEWAY                = "http"
    GATEWAY_API_ID         = aws_apigatewayv2_api.this.id
  })

  statements = concat(
    [{ actions = ["secretsmanager:GetSecretValue"], resources = concat([module.keys.secret_arn], module.policy.kind == "secret" ? [module.policy.arn] : []) }],
    module.policy.kind == "ssm" ? [{ actions = ["ssm:GetParameter"], resources = [module.policy.arn] }] : [],
  )
}

module "jwks" {
  source = "../../modules/lambda"

  name               = local.functions.jwks
  description        = "Countersign: public keys and discovery documents"
  package            = { type = "Zip", file = "${local.packages}/jwks.zip" }
  architecture       = var.architecture
  memory_mb          = 256
  timeout_seconds    = 10
  log_retention_days = var.log_retention_days

  environment = merge(local.certificates, {
    JWT_ISSUER_URL = local.issuer_url
    JWKS_SSM_PARAM = module.keys.jwks_parameter
    GATEWAY        = "http"
    GATEWAY_API_ID = aws_apigatewayv2_api.this.id
  })

  statements = [{ actions = ["ssm:GetParameter"], resources = [module.keys.jwks_parameter_arn] }]
}

module "key_rotator" {
  source = "../../modules/lambda"

  name                 = local.functions.key_rotator
  description          = "Countersign: makes, publishes and retires signing keys"
  package              = { type = "Zip", file = "${local.packages}/key-rotator.zip" }
  architecture         = var.architecture
  memory_mb            = 256
  timeout_seconds      = 60
  reserved_concurrency = 1
  log_retention_days   = var.log_retention_days

  environment = merge(local.certificates, {
    SIGNING_KEY_SECRET_ARN = module.keys.secret_arn
    JWKS_SSM_PARAM         = module.keys.jwks_parameter
    KEY_LANES              = "RS256"
    ANNOUNCE_FOR           = "24h"
    RETIRE_FOR             = "24h"
    KEY_STORE              = "secret"
    PUBLIC_JWKS_URL        = local.jwks_url
    RESTART_FUNCTIONS      = join(",", [local.functions.jwt_issuer, local.functions.jwks])
  })

  statements = [
    {
      actions = [
        "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage",
      ]
      resources = [module.keys.secret_arn]
    },
    {
      actions   = ["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter"]
      resources = [module.keys.jwks_parameter_arn]
    },
    {
      actions   = ["lambda:GetFunctionConfiguration", "lambda:UpdateFunctionConfiguration"]
      resources = [local.function_arns.jwt_issuer, local.function_arns.jwks]
    },
  ]
}

# An apply that has ended well has an issuer whose tokens can be verified.
resource "terraform_data" "keys_are_served" {
  count = var.await_keys ? 1 : 0

  triggers_replace = [local.jwks_url, module.keys.secret_arn, module.keys.jwks_parameter]

  provisioner "local-exec" {
    command     = "${path.module}/../../await-keys.sh"
    interpreter = ["/bin/sh"]
    environment = {
      URL      = local.jwks_url
      ROTATOR  = local.functions.key_rotator
      PATIENCE = "300"
    }
  }

  depends_on = [module.keys, module.jwks, aws_apigatewayv2_stage.this, aws_apigatewayv2_route.public, aws_lambda_permission.public]
}
