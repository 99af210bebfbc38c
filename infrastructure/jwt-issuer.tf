# `POST /token`: reads the ring and the policy, and signs.

module "jwt_issuer" {
  source = "./modules/lambda"

  name                    = local.functions.jwt_issuer
  description             = "Countersign: tokens for IAM principals"
  package                 = local.packages.jwt_issuer
  architecture            = var.architecture
  memory_mb               = var.memory_mb
  timeout_seconds         = 10
  provisioned_concurrency = var.provisioned_concurrency.jwt_issuer
  log_retention_days      = var.log_retention_days
  log_kms_key_arn         = var.log_kms_key_arn

  environment = merge(
    local.common_environment,
    {
      JWT_ISSUER_URL         = local.issuer_url
      SIGNING_KEY_SECRET_ARN = module.keys.secret_arn
      POLICY_SOURCE          = module.policy.source
      GATEWAY                = "rest"
      GATEWAY_API_ID         = module.api.id
    },
    length(var.organization_ids) > 0 ? { ALLOWED_ORG_IDS = join(",", var.organization_ids) } : {},
  )

  statements = concat(
    [{ actions = ["secretsmanager:GetSecretValue"], resources = concat([module.keys.secret_arn], module.policy.kind == "secret" ? [module.policy.arn] : []) }],
    module.policy.kind == "ssm" ? [{ actions = ["ssm:GetParameter"], resources = [module.policy.arn] }] : [],
    var.customer_managed_key ? [{ actions = ["kms:Decrypt"], resources = [module.keys.kms_key_arn] }] : [],
    local.kms ? [{
      actions   = ["kms:Sign"]
      resources = [local.kms_keys]
      condition = { StringEquals = { "aws:ResourceTag/countersign:secret" = module.keys.secret_arn } }
    }] : [],
  )
}

# Whoever may invoke the function can write any caller into an event: so one API, one stage, one route.
resource "aws_lambda_permission" "token" {
  statement_id  = "post-token"
  action        = "lambda:InvokeFunction"
  function_name = module.jwt_issuer.arn
  qualifier     = module.jwt_issuer.qualifier
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${module.api.execution_arn}/${local.stage_name}/POST/token"
}
