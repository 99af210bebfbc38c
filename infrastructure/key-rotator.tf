# The only writer of ring and key set. Secrets Manager calls it by schedule, operators by `countersign keys --function`, and
# EventBridge once an hour to compare the two.

locals {
  # With instances that are kept ready, a change of the function itself ends none: the alias stays on its version.
  restartable = [
    for key, kept in var.provisioned_concurrency : local.functions[key] if kept == 0
  ]
  kms_keys = "arn:${local.partition}:kms:${var.region}:${local.account_id}:key/*"
}

module "key_rotator" {
  source = "./modules/lambda"

  name                 = local.functions.key_rotator
  description          = "Countersign: makes, publishes and retires signing keys"
  package              = local.packages.key_rotator
  architecture         = var.architecture
  memory_mb            = 256
  timeout_seconds      = 60
  reserved_concurrency = 1
  log_retention_days   = var.log_retention_days
  log_kms_key_arn      = var.log_kms_key_arn

  environment = merge(
    local.common_environment,
    {
      SIGNING_KEY_SECRET_ARN = module.keys.secret_arn
      JWKS_SSM_PARAM         = module.keys.jwks_parameter
      KEY_LANES              = join(",", var.key_lanes)
      ANNOUNCE_FOR           = var.announce_for
      RETIRE_FOR             = var.retire_for
      KEY_STORE              = var.key_store
      PUBLIC_JWKS_URL        = local.probe_url
    },
    length(local.restartable) > 0 ? { RESTART_FUNCTIONS = join(",", local.restartable) } : {},
  )

  statements = concat(
    [
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
    ],
    length(local.restartable) == 0 ? [] : [{
      actions   = ["lambda:GetFunctionConfiguration", "lambda:UpdateFunctionConfiguration"]
      resources = [for key, kept in var.provisioned_concurrency : local.function_arns[key] if kept == 0]
    }],
    var.customer_managed_key ? [{ actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [module.keys.kms_key_arn] }] : [],
    !local.kms ? [] : [
      {
        actions   = ["kms:CreateKey", "kms:TagResource"]
        resources = ["*"]
        condition = { StringEquals = { "aws:RequestTag/countersign:secret" = module.keys.secret_arn } }
      },
      {
        actions   = ["kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:DescribeKey"]
        resources = [local.kms_keys]
        condition = { StringEquals = { "aws:ResourceTag/countersign:secret" = module.keys.secret_arn } }
      },
    ],
  )
}
