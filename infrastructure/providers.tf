provider "aws" {
  region = var.region

  default_tags {
    tags = merge({ application = "countersign", deployment = var.name }, var.tags)
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # Named here, and made each in its own file: policies have to name a role before it is there.
  functions = {
    jwt_issuer  = "${var.name}-jwt-issuer"
    jwks        = "${var.name}-jwks"
    key_rotator = "${var.name}-key-rotator"
  }
  role_arns     = { for key, name in local.functions : key => "arn:${local.partition}:iam::${local.account_id}:role/${name}" }
  function_arns = { for key, name in local.functions : key => "arn:${local.partition}:lambda:${var.region}:${local.account_id}:function:${name}" }

  # The builds that are deployed: with keys in KMS, two of them have a client for it.
  kms = var.key_store == "kms" || var.keep_kms
  builds = {
    jwt_issuer  = local.kms ? "jwt-issuer-kms" : "jwt-issuer"
    jwks        = "jwks"
    key_rotator = local.kms ? "key-rotator-kms" : "key-rotator"
  }
  packages = {
    for key, build in local.builds : key => {
      type      = var.package_type
      file      = var.package_type == "Zip" ? "${var.package_directory}/${var.architecture}/${build}.zip" : null
      image_uri = var.package_type == "Image" ? local.images[key] : null
    }
  }

  # What every function is told of its surroundings.
  common_environment = var.root_certificates_file == null ? {} : { SSL_CERT_FILE = var.root_certificates_file }
}
