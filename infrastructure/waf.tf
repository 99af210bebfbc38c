# AWS WAF in front of the API.

module "waf" {
  source = "./modules/waf"
  count  = var.waf.enabled ? 1 : 0

  name                          = var.name
  stage_arn                     = module.api.stage_arn
  mode                          = var.waf.mode
  public_requests_per_5_minutes = var.waf.public_requests_per_5_minutes
  log_retention_days            = var.log_retention_days
  log_kms_key_arn               = var.log_kms_key_arn
}
