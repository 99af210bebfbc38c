variable "name" {
  description = "Name of the API."
  type        = string
}

variable "stage_name" {
  description = "Name of the one stage. It is part of the URL, and of the issuer, where there is no domain."
  type        = string
  default     = "v1"

  validation {
    condition     = can(regex("^[a-z0-9_]{1,32}$", var.stage_name)) && var.stage_name != "test-invoke-stage"
    error_message = "stage_name: 1 to 32 lower-case letters, digits or _."
  }
}

variable "issuer_invoke_arn" {
  description = "Where `POST /token` goes."
  type        = string
}

variable "jwks_invoke_arn" {
  description = "Where `/.well-known/*` goes."
  type        = string
}

variable "account_id" {
  description = "The API's account: without an organisation, the only one whose principals may ask for tokens."
  type        = string
}

variable "partition" {
  description = "Partition of the account."
  type        = string
}

variable "organization_ids" {
  description = "Organisations whose principals may ask for tokens; none for this account alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.organization_ids : can(regex("^o-[a-z0-9]{10,32}$", id))])
    error_message = "organization_ids: each is o- and 10 to 32 lower-case letters or digits (aws organizations describe-organization)."
  }
}

variable "deny_forged_identity_center_names" {
  description = "Refuse roles that have a name of Identity Center's and not its path."
  type        = bool
  default     = true
}

variable "token_throttle" {
  description = "Requests for tokens: `rate` a second, `burst` at once."
  type        = object({ rate = number, burst = number })

  validation {
    condition     = var.token_throttle.rate > 0 && var.token_throttle.burst >= 1
    error_message = "token_throttle: a rate above 0 and a burst of at least 1, or nobody gets a token."
  }
}

variable "public_throttle" {
  description = "Requests for each public document: `rate` a second, `burst` at once."
  type        = object({ rate = number, burst = number })

  validation {
    condition     = var.public_throttle.rate > 0 && var.public_throttle.burst >= 1
    error_message = "public_throttle: a rate above 0 and a burst of at least 1, or no relying party gets a key."
  }
}

variable "disable_default_endpoint" {
  description = "Answer on the custom domain only."
  type        = bool
  default     = false
}

variable "manage_account" {
  description = "Set the role with which API Gateway writes logs. There is one for all APIs of the account in the region: false if another set-up owns it."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "For how many days the access log is kept."
  type        = number
}

variable "log_kms_key_arn" {
  description = "KMS key that encrypts the access log; null for CloudWatch's own encryption."
  type        = string
  default     = null
}
