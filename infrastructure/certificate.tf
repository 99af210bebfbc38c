# A certificate for the domain, unless there is one already.

module "certificate" {
  source = "./modules/certificate"
  count  = local.make_the_tls ? 1 : 0

  domain_name = var.domain_name
  zone_id     = var.zone_id
}
