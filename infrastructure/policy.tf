# Who may have which token.

module "policy" {
  source = "./modules/policy"

  name             = var.name
  file             = var.policy_file
  writer_role_arns = var.deployer_role_arns
}
