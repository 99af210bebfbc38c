variable "region" {
  description = "Region of the bucket."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region: such as eu-central-1."
  }
}

variable "bucket" {
  description = "Name of the bucket. It is unique among all accounts of AWS: put the account's id or the organisation's name into it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket: 3 to 63 lower-case letters, digits and -; no dots, since they break TLS."
  }
}

variable "key" {
  description = "Where in the bucket the state of the first deployment is. Another deployment has another key, or a workspace of its own."
  type        = string
  default     = "countersign/terraform.tfstate"

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", var.key))
    error_message = "key: names with / between them, and none at either end."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the states; null for S3's own encryption. Whoever deploys needs kms:GenerateDataKey and kms:Decrypt with it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a key, not of an alias."
  }
}

variable "noncurrent_days" {
  description = "For how many days an old version of a state is kept, beyond the newest `keep_versions`."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days: at least 1."
  }
}

variable "keep_versions" {
  description = "How many old versions of a state are kept however old they are."
  type        = number
  default     = 20

  validation {
    condition     = var.keep_versions >= 1 && var.keep_versions <= 100 && floor(var.keep_versions) == var.keep_versions
    error_message = "keep_versions: 1 to 100, as S3 has it."
  }
}

variable "tags" {
  description = "Tags of everything here."
  type        = map(string)
  default     = {}
}
