variable "name" {
  description = "Name of the web ACL. The log group is `aws-waf-logs-NAME`, a prefix that WAF demands."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,100}$", var.name))
    error_message = "name: 1 to 100 letters, digits, - and _."
  }
}

variable "stage_arn" {
  description = "The stage of the REST API that the web ACL stands in front of."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:apigateway:[a-z0-9-]+::/restapis/[^/]+/stages/[^/]+$", var.stage_arn))
    error_message = "stage_arn: the ARN of a stage of a REST API, arn:aws:apigateway:REGION::/restapis/ID/stages/NAME. AWS WAF takes no HTTP API."
  }
}

variable "mode" {
  description = "block, or count: everything passes, and what would have been refused is written down."
  type        = string
  default     = "block"

  validation {
    condition     = contains(["block", "count"], var.mode)
    error_message = "mode: block or count."
  }
}

variable "public_requests_per_5_minutes" {
  description = "How many requests for public documents one address may make in 5 minutes. One address may be the NAT gateway of a large relying party."
  type        = number

  validation {
    condition = (
      var.public_requests_per_5_minutes >= 10 && var.public_requests_per_5_minutes <= 2000000000
      && floor(var.public_requests_per_5_minutes) == var.public_requests_per_5_minutes
    )
    error_message = "public_requests_per_5_minutes: 10 to 2000000000, which are AWS WAF's own bounds."
  }
}

variable "log_retention_days" {
  description = "For how many days the log is kept."
  type        = number

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of the numbers that CloudWatch Logs has, such as 90 or 365. Not 0, which would be for ever."
  }
}

variable "log_kms_key_arn" {
  description = "KMS key that encrypts the log; null for CloudWatch's own encryption. Its key policy has to let CloudWatch Logs use it."
  type        = string
  default     = null

  validation {
    condition     = var.log_kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.log_kms_key_arn))
    error_message = "log_kms_key_arn: the ARN of a KMS key."
  }
}
