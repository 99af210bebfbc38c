variable "name" {
  description = "Name of the deployment. Functions, roles, parameters and the API are called after it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name: 3 to 32 lower-case letters, digits and -, a letter first and no - last."
  }
}

variable "region" {
  description = "Region of everything."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: such as eu-central-1."
  }
}

variable "policy_file" {
  description = "Who may have which token: a YAML or JSON file, relative to where tofu runs."
  type        = string
  default     = "policy.yaml"
}

variable "architecture" {
  description = "arm64 (Graviton) or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: arm64 or x86_64."
  }
}

variable "package_directory" {
  description = "Folder with ARCHITECTURE/NAME.zip: what scripts/package makes, or a release unpacked."
  type        = string
  default     = "../../../target/lambda"
}

variable "token_throttle" {
  description = "Requests for tokens: `rate` a second, `burst` at once."
  type        = object({ rate = number, burst = number })
  default     = { rate = 100, burst = 200 }

  validation {
    condition     = var.token_throttle.rate > 0 && var.token_throttle.burst >= 1
    error_message = "token_throttle: a rate above 0 and a burst of at least 1, or nobody gets a token."
  }
}

variable "public_throttle" {
  description = "Requests for each public document: `rate` a second, `burst` at once."
  type        = object({ rate = number, burst = number })
  default     = { rate = 200, burst = 400 }

  validation {
    condition     = var.public_throttle.rate > 0 && var.public_throttle.burst >= 1
    error_message = "public_throttle: a rate above 0 and a burst of at least 1, or no relying party gets a key."
  }
}

variable "log_retention_days" {
  description = "For how many days logs are kept, the audit record among them."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of the numbers that CloudWatch Logs has, such as 90, 365 or 3653. Not 0, which would be for ever."
  }
}

variable "await_keys" {
  description = "Let apply end only when the key set can be fetched with keys in it."
  type        = bool
  default     = true
}

variable "dangerous_waive_key_recovery" {
  description = "Let a destroy delete the signing keys at once and for good. It takes effect with an apply before the destroy."
  type        = bool
  default     = false
}
