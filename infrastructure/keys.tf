# The secret with the ring, its schedule, and the parameter with the public keys.

module "keys" {
  source = "./modules/keys"

  name                     = var.name
  region                   = var.region
  account_id               = local.account_id
  partition                = local.partition
  issuer_role_arn          = local.role_arns.jwt_issuer
  rotator_role_arn         = local.role_arns.key_rotator
  rotator_arn              = module.key_rotator.arn
  rotation_days            = var.rotation_days
  deployer_role_arns       = var.deployer_role_arns
  operator_role_arns       = var.operator_role_arns
  customer_managed_key     = var.customer_managed_key
  dangerous_waive_recovery = var.dangerous_waive_key_recovery
}
