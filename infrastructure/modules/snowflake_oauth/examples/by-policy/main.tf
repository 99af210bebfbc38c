# A root of its own, for one Snowflake account: what it has to know stands in the state of the issuer's deployment. It is not
# among infrastructure/examples, because whoever checks those has no Snowflake provider.

terraform {
  required_version = ">= 1.9"

  required_providers {
    snowflake = {
      source  = "snowflakedb/snowflake"
      version = ">= 2.0, < 3"
    }
  }
}

# Credentials come from the environment (SNOWFLAKE_...), or from ~/.snowflake/config.
provider "snowflake" {
  organization_name = var.organization_name
  account_name      = var.account_name
  role              = "ACCOUNTADMIN"
}

variable "organization_name" {
  description = "The Snowflake organisation, what stands before the - in ORGANISATION-ACCOUNT."
  type        = string
}

variable "account_name" {
  description = "The account, what stands behind it."
  type        = string
}

variable "audience" {
  description = "The audience of this account, by its name in the policy."
  type        = string
  default     = "snowflake"
}

variable "state_bucket" {
  description = "The bucket with the state of the issuer's deployment."
  type        = string
}

variable "state_key" {
  description = "The state's key in it."
  type        = string
}

variable "state_region" {
  description = "The bucket's region."
  type        = string
}

data "terraform_remote_state" "issuer" {
  backend = "s3"

  config = {
    bucket = var.state_bucket
    key    = var.state_key
    region = var.state_region
  }
}

locals {
  issuer   = data.terraform_remote_state.issuer.outputs
  audience = local.issuer.snowflake_audiences[var.audience]
}

module "snowflake_oauth" {
  source = "../.."

  name          = "COUNTERSIGN_${upper(replace(var.audience, "/[^A-Za-z0-9_]/", "_"))}"
  issuer_url    = local.issuer.issuer_url
  jwks_url      = local.issuer.jwks_url
  audiences     = [local.audience.aud]
  any_role_mode = local.audience.any_role ? "ENABLE" : "DISABLE"
}

output "integration" {
  description = "Name of the integration."
  value       = module.snowflake_oauth.name
}
