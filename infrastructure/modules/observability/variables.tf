# --- What is watched

variable "name" {
  description = "Name of the deployment. Topic, alarms, rules and dashboard begin with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name: 3 to 32 lower-case letters, digits and -, a letter first and no - last."
  }
}

variable "region" {
  description = "Region of the deployment."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: such as eu-central-1."
  }
}

variable "account_id" {
  description = "Account of the deployment."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id: 12 digits."
  }
}

variable "partition" {
  description = "Partition of the account."
  type        = string

  validation {
    condition     = can(regex("^aws(-[a-z]+)*$", var.partition))
    error_message = "partition: aws, aws-cn, aws-us-gov, ..."
  }
}

variable "function_names" {
  description = "Names of the three functions."
  type        = object({ jwt_issuer = string, jwks = string, key_rotator = string })

  validation {
    condition     = alltrue([for name in values(var.function_names) : can(regex("^[A-Za-z0-9_-]{1,64}$", name))])
    error_message = "function_names: names, not ARNs."
  }
}

variable "rotator_arn" {
  description = "ARN of the function key-rotator, for the hourly check."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}$", var.rotator_arn))
    error_message = "rotator_arn: the ARN of the function, without a version."
  }
}

variable "rotator_role_arn" {
  description = "Role of the function key-rotator, whose own writes raise no alarm."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", var.rotator_role_arn))
    error_message = "rotator_role_arn: the ARN of a role, without wildcards."
  }
}

variable "api_name" {
  description = "Name of the API, which is the dimension `ApiName` of its metrics."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.api_name))
    error_message = "api_name: 1 to 128 letters, digits, - and _."
  }
}

variable "api_id" {
  description = "Id of the API."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{1,32}$", var.api_id))
    error_message = "api_id: lower-case letters and digits, not an ARN or URL."
  }
}

variable "stage_name" {
  description = "Name of the stage."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.stage_name))
    error_message = "stage_name: letters, digits, - and _."
  }
}

variable "domain_name" {
  description = "The issuer's own domain, if it has one. Whoever maps it to another API is the issuer."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null ? true : can(regex("^[a-z0-9.-]{1,64}$", var.domain_name))
    error_message = "domain_name: a host name in lower case."
  }
}

variable "secret_arn" {
  description = "ARN of the secret that holds the ring, with the six characters at its end."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$", var.secret_arn))
    error_message = "secret_arn: the whole ARN of a secret."
  }
}

variable "jwks_parameter" {
  description = "Name of the parameter that holds the public keys."
  type        = string

  validation {
    condition     = can(regex("^/[A-Za-z0-9_./-]+$", var.jwks_parameter))
    error_message = "jwks_parameter: a name that begins with /, not an ARN."
  }
}

variable "policy_source" {
  description = "Where the policy is: `kind` is ssm with a parameter's name, or secret with a secret's ARN. Null if it is in a file of the function, and then no rule guards it."
  type        = object({ kind = string, name_or_arn = string })
  default     = null

  validation {
    condition     = var.policy_source == null ? true : contains(["ssm", "secret"], var.policy_source.kind)
    error_message = "policy_source.kind: ssm or secret."
  }
  validation {
    condition = var.policy_source == null ? true : can(regex(
      var.policy_source.kind == "secret" ? "^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$" : "^/[A-Za-z0-9_./-]+$",
      var.policy_source.name_or_arn,
    ))
    error_message = "policy_source.name_or_arn: a parameter's name that begins with /, or the whole ARN of a secret."
  }
}

variable "key_store" {
  description = "Where private keys are: secret or kms."
  type        = string
  default     = "secret"

  validation {
    condition     = contains(["secret", "kms"], var.key_store)
    error_message = "key_store: secret or kms."
  }
}

# An object, so that a plan knows whether there is one before the key is made.
variable "kms_key" {
  description = "`arn` of the key that encrypts the secret, if it has one of its own."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.kms_key == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key.arn))
    error_message = "kms_key.arn: the ARN of a KMS key, not of an alias."
  }
}

variable "rotation_days" {
  description = "How often keys rotate, in days."
  type        = number

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 1000 && floor(var.rotation_days) == var.rotation_days
    error_message = "rotation_days: 1 to 1000, as Secrets Manager has it."
  }
}

variable "waf_acl_name" {
  description = "Name of the web ACL, for the dashboard; null without WAF."
  type        = string
  default     = null

  validation {
    condition     = var.waf_acl_name == null ? true : can(regex("^[A-Za-z0-9_-]{1,128}$", var.waf_acl_name))
    error_message = "waf_acl_name: a name, not an ARN."
  }
}

# --- Who is expected

variable "deployer_role_arns" {
  description = "The roles that run tofu: their writes raise no alarm. Without any, every apply does."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.deployer_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "deployer_role_arns: each is the ARN of a role (arn:aws:iam::123456789012:role/NAME, with its path), not of a session, and without wildcards."
  }
}

variable "ring_reader_role_arns" {
  description = "The roles that may read the ring and sign with its keys: those of jwt-issuer and key-rotator. With them, every other read raises an alarm. Without any, reads raise none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.ring_reader_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "ring_reader_role_arns: each is the ARN of a role, without wildcards."
  }
}

# --- Who is told, and of how much

variable "alarm_emails" {
  description = "Addresses that get alarms, each after it has confirmed."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", address))])
    error_message = "alarm_emails: each is one address."
  }
}

variable "topic_kms_key_arn" {
  description = "KMS key that encrypts the topic. Its key policy has to let cloudwatch.amazonaws.com and events.amazonaws.com kms:Decrypt and kms:GenerateDataKey, the latter without a condition on the source."
  type        = string
  default     = null

  validation {
    condition     = var.topic_kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/", var.topic_kms_key_arn))
    error_message = "topic_kms_key_arn: the ARN of a KMS key of your own. alias/aws/sns lets neither CloudWatch nor EventBridge in."
  }
}

variable "refused_band_width" {
  description = "How far above the usual number of refusals an alarm begins, in standard deviations."
  type        = number
  default     = 4

  validation {
    condition     = var.refused_band_width > 0 && var.refused_band_width <= 100
    error_message = "refused_band_width: more than 0, at most 100."
  }
}

variable "strangers_per_5_minutes" {
  description = "How many requests in 5 minutes may come from whoever is no caller, or of no allowed organisation, without an alarm."
  type        = number
  default     = 0

  validation {
    condition     = var.strangers_per_5_minutes >= 0 && floor(var.strangers_per_5_minutes) == var.strangers_per_5_minutes
    error_message = "strangers_per_5_minutes: 0 or more."
  }
}
