# `GET` and `HEAD` of `/.well-known/*`: reads the published key set, and can read nothing else.

module "jwks" {
  source = "./modules/lambda"

  name                    = local.functions.jwks
  description             = "Countersign: public keys and discovery documents"
  package                 = local.packages.jwks
  architecture            = var.architecture
  memory_mb               = var.memory_mb
  timeout_seconds         = 10
  provisioned_concurrency = var.provisioned_concurrency.jwks
  log_retention_days      = var.log_retention_days
  log_kms_key_arn         = var.log_kms_key_arn

  environment = merge(local.common_environment, {
    JWT_ISSUER_URL = local.issuer_url
    JWKS_SSM_PARAM = module.keys.jwks_parameter
    GATEWAY        = "rest"
    GATEWAY_API_ID = module.api.id
  })

  statements = [{ actions = ["ssm:GetParameter"], resources = [module.keys.jwks_parameter_arn] }]
}

resource "aws_lambda_permission" "public" {
  for_each = toset(["GET", "HEAD"])

  statement_id  = "${lower(each.key)}-well-known"
  action        = "lambda:InvokeFunction"
  function_name = module.jwks.arn
  qualifier     = module.jwks.qualifier
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${module.api.execution_arn}/${local.stage_name}/${each.key}/.well-known/*"
}
