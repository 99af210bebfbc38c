variable "name" {
  description = "Name of the function, its role and, below `/aws/lambda/`, its log group."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name: 1 to 64 letters, digits, - and _, as Lambda has them."
  }
}

variable "description" {
  description = "What the function is for, in one sentence."
  type        = string
}

variable "package" {
  description = "What runs: `type` is `Zip` with `file`, or `Image` with `image_uri`."
  type = object({
    type      = string
    file      = optional(string)
    image_uri = optional(string)
  })

  validation {
    condition     = contains(["Zip", "Image"], var.package.type)
    error_message = "package.type: Zip or Image."
  }
  validation {
    condition     = var.package.type == "Image" ? var.package.image_uri != null && var.package.file == null : var.package.file != null && var.package.image_uri == null
    error_message = "package: `file` for a Zip, `image_uri` for an Image, and not the other one."
  }
}

variable "architecture" {
  description = "What the package was built for."
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "Memory, in MB. Lambda gives CPU in proportion to it."
  type        = number

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb: 128 to 10240."
  }
}

variable "timeout_seconds" {
  description = "How long one invocation may take, in seconds."
  type        = number

  validation {
    condition     = var.timeout_seconds > 3 && var.timeout_seconds <= 900
    error_message = "timeout_seconds: more than the 3 s for which a request may wait for its sources, and at most 900."
  }
}

variable "reserved_concurrency" {
  description = "How many may run at once; null for as many as the account allows."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 1
    error_message = "reserved_concurrency: at least 1; 0 would switch the function off."
  }
}

variable "provisioned_concurrency" {
  description = "How many instances are kept ready. Above 0 a version is published with each change, and the alias `live` is what is invoked."
  type        = number
  default     = 0

  validation {
    condition     = var.provisioned_concurrency >= 0 && floor(var.provisioned_concurrency) == var.provisioned_concurrency
    error_message = "provisioned_concurrency: 0 or more."
  }
}

variable "environment" {
  description = "The function's variables. Nothing secret: whoever may read the function's configuration can read them."
  type        = map(string)
}

variable "statements" {
  description = "What the function may do, beside writing its log: exact actions on exact resources, with a condition if there is one. All else is denied by the same policy."
  type = list(object({
    actions   = list(string)
    resources = list(string)
    condition = optional(map(map(string)))
  }))

  validation {
    condition     = alltrue([for s in var.statements : alltrue([for a in s.actions : !strcontains(a, "*")])])
    error_message = "statements: each action by its whole name, without `*`."
  }
  validation {
    condition     = alltrue([for s in var.statements : s.condition != null || alltrue([for r in s.resources : !strcontains(r, "*")])])
    error_message = "statements: a resource with `*` needs a condition that narrows it."
  }
}

variable "log_retention_days" {
  description = "For how many days CloudWatch keeps the log, which is also the audit record."
  type        = number
}

variable "log_kms_key_arn" {
  description = "KMS key that encrypts the log; null for CloudWatch's own encryption. Its key policy has to let CloudWatch Logs use it."
  type        = string
  default     = null
}
