# The API, its domain if it has one, and the wait until relying parties can fetch keys.

locals {
  stage_name   = "v1"
  default_url  = "https://${module.api.id}.execute-api.${var.region}.${data.aws_partition.current.dns_suffix}/${local.stage_name}"
  issuer_url   = var.domain_name == null ? local.default_url : "https://${var.domain_name}"
  token_url    = "${local.issuer_url}/token"
  jwks_url     = "${local.issuer_url}/.well-known/jwks.json"
  probe_url    = coalesce(var.jwks_probe_url, local.jwks_url)
  discovery    = "${local.issuer_url}/.well-known/openid-configuration"
  own_domain   = var.domain_name != null
  own_zone     = var.domain_name != null && var.zone_id != null
  make_the_tls = var.domain_name != null && var.certificate_arn == null
}

module "api" {
  source = "./modules/api"

  name                              = var.name
  stage_name                        = local.stage_name
  issuer_invoke_arn                 = module.jwt_issuer.invoke_arn
  jwks_invoke_arn                   = module.jwks.invoke_arn
  account_id                        = local.account_id
  partition                         = local.partition
  organization_ids                  = var.organization_ids
  deny_forged_identity_center_names = var.deny_forged_identity_center_names
  token_throttle                    = var.token_throttle
  public_throttle                   = var.public_throttle
  disable_default_endpoint          = local.own_domain
  manage_account                    = var.manage_api_gateway_account
  log_retention_days                = var.log_retention_days
  log_kms_key_arn                   = var.log_kms_key_arn
}

resource "aws_api_gateway_domain_name" "this" {
  count = local.own_domain ? 1 : 0

  domain_name              = var.domain_name
  regional_certificate_arn = local.make_the_tls ? module.certificate[0].arn : var.certificate_arn
  security_policy          = "TLS_1_2"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_base_path_mapping" "this" {
  count = local.own_domain ? 1 : 0

  api_id      = module.api.id
  stage_name  = module.api.stage_name
  domain_name = aws_api_gateway_domain_name.this[0].domain_name
}

resource "aws_route53_record" "this" {
  for_each = local.own_zone ? toset(["A", "AAAA"]) : toset([])

  zone_id = var.zone_id
  name    = var.domain_name
  type    = each.key

  alias {
    name                   = aws_api_gateway_domain_name.this[0].regional_domain_name
    zone_id                = aws_api_gateway_domain_name.this[0].regional_zone_id
    evaluate_target_health = false
  }
}

# An apply that has ended well has an issuer whose tokens can be verified.
resource "terraform_data" "keys_are_served" {
  count = var.await_keys ? 1 : 0

  # Also when something changes on which the route depends.
  triggers_replace = [
    local.probe_url, module.keys.secret_arn, module.keys.jwks_parameter, module.api.deployment_id, module.jwks.package,
    [for permission in aws_lambda_permission.public : permission.id], aws_api_gateway_base_path_mapping.this[*].id,
  ]

  provisioner "local-exec" {
    command     = "${path.module}/await-keys.sh"
    interpreter = ["/bin/sh"]
    environment = {
      URL      = local.probe_url
      ROTATOR  = local.functions.key_rotator
      PATIENCE = local.own_domain ? "900" : "300"
    }
  }

  depends_on = [
    module.api, module.keys, module.jwks, aws_lambda_permission.public, aws_api_gateway_base_path_mapping.this,
    aws_route53_record.this,
  ]
}
