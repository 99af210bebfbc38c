# Repositories for container images, if that is how the functions are packaged. scripts/publish-images fills them.

module "ecr" {
  source = "./modules/ecr"
  count  = var.package_type == "Image" ? 1 : 0

  name       = var.name
  region     = var.region
  account_id = local.account_id
  partition  = local.partition
  # What is in there can be built again.
  force_delete = true
}

locals {
  repositories = { jwt_issuer = "jwt-issuer", jwks = "jwks", key_rotator = "key-rotator" }

  # The tag is made of the bytes of the binary, so an image is what it says, and is pushed once.
  bootstraps = { for key, build in local.builds : key => "${var.package_directory}/${var.architecture}/${build}/bootstrap" }
  tags = {
    for key, file in local.bootstraps : key =>
    join("-", compact([fileexists(file) ? substr(filesha256(file), 0, 12) : "not-built", var.image_revision]))
  }
  images = {
    for key, repository in local.repositories : key =>
    var.package_type == "Image" ? "${module.ecr[0].repository_urls[repository]}:${local.tags[key]}" : null
  }
}
