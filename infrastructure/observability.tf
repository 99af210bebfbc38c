# Alarms, a dashboard, the hourly check of the keys, and rules that tell of writes by whoever is not expected to write.

module "observability" {
  source = "./modules/observability"

  name                  = var.name
  region                = var.region
  account_id            = local.account_id
  partition             = local.partition
  function_names        = local.functions
  rotator_arn           = module.key_rotator.arn
  rotator_role_arn      = local.role_arns.key_rotator
  api_name              = var.name
  api_id                = module.api.id
  stage_name            = local.stage_name
  domain_name           = var.domain_name
  secret_arn            = module.keys.secret_arn
  jwks_parameter        = module.keys.jwks_parameter
  policy_source         = { kind = module.policy.kind, name_or_arn = module.policy.kind == "ssm" ? module.policy.name : module.policy.arn }
  key_store             = local.kms ? "kms" : "secret"
  kms_key               = var.customer_managed_key ? { arn = module.keys.kms_key_arn } : null
  rotation_days         = var.rotation_days
  waf_acl_name          = var.waf.enabled ? var.name : null
  deployer_role_arns    = var.deployer_role_arns
  ring_reader_role_arns = local.ring_roles
  alarm_emails          = var.alarm_emails
  topic_kms_key_arn     = var.alarm_topic_kms_key_arn
}
