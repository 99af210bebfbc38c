variable "name" {
  description = "Name of the deployment: a repository is `NAME/FUNCTION`, and the function that may pull from it `NAME-FUNCTION`."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+([_-][a-z0-9]+)*$", var.name))
    error_message = "name: lower-case letters and digits, with single - or _ between them, as ECR has it."
  }
}

variable "functions" {
  description = "The functions that have a repository."
  type        = set(string)
  default     = ["jwt-issuer", "jwks", "key-rotator"]

  validation {
    condition     = length(var.functions) > 0 && alltrue([for f in var.functions : can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", f))])
    error_message = "functions: at least one; lower-case letters and digits, with single - between them."
  }
}

variable "region" {
  description = "Region of the repositories and the functions, which have to be in the same one."
  type        = string
}

variable "account_id" {
  description = "Account of the repositories and the functions."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: 12 digits."
  }
}

variable "partition" {
  description = "Partition of the account: aws, aws-cn, aws-us-gov, ..."
  type        = string
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the images; null for AES-256 with ECR's own key. A change makes new, empty repositories."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a key, not of an alias."
  }
}

variable "keep_images" {
  description = "How many images each repository keeps, the newest. A function needs its image for as long as it runs, and so does a way back."
  type        = number
  default     = 20

  validation {
    condition     = var.keep_images >= 2 && var.keep_images <= 1000 && floor(var.keep_images) == var.keep_images
    error_message = "keep_images: 2 to 1000: at least the image that runs and the one before it."
  }
}

variable "untagged_days" {
  description = "For how many days an image without a tag is kept."
  type        = number
  default     = 7

  validation {
    condition     = var.untagged_days >= 1 && var.untagged_days <= 365 && floor(var.untagged_days) == var.untagged_days
    error_message = "untagged_days: 1 to 365."
  }
}

variable "force_delete" {
  description = "Let a destroy delete repositories that hold images."
  type        = bool
  default     = false
}
