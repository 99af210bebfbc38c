variable "name" {
  description = "Name of the deployment: the secret begins with `NAME/keys-`, the parameter is `/NAME/jwks`."
  type        = string
}

variable "region" {
  description = "Region of the secret."
  type        = string
}

variable "account_id" {
  description = "Account of the secret."
  type        = string
}

variable "partition" {
  description = "Partition of the account: aws, aws-cn, aws-us-gov, ..."
  type        = string
}

variable "issuer_role_arn" {
  description = "Role that may read the ring."
  type        = string
}

variable "rotator_role_arn" {
  description = "Role that may read and write the ring and nothing else may write."
  type        = string
}

variable "rotator_arn" {
  description = "ARN of the function `key-rotator`. Secrets Manager gets the permission to invoke it, for this secret."
  type        = string
}

variable "rotation_days" {
  description = "How often keys rotate, in days."
  type        = number

  validation {
    condition     = var.rotation_days >= 2 && var.rotation_days <= 365 && floor(var.rotation_days) == var.rotation_days
    error_message = "rotation_days: 2 to 365. A key is announced for a day by default, and a rotation that finds it a second too young leaves it to the next one."
  }
}

variable "deployer_role_arns" {
  description = "Roles that deploy: with these, nobody else may change what the secret is encrypted with. Without any, everybody may whose own policy allows it."
  type        = list(string)
  default     = []
}

variable "operator_role_arns" {
  description = "Roles that may move the ring's labels by hand, as the runbook says. They cannot read it."
  type        = list(string)
  default     = []
}

variable "customer_managed_key" {
  description = "Encrypt the ring with a KMS key of its own, which nobody but issuer and rotator can decrypt with. Decide before the first apply."
  type        = bool
  default     = false
}

variable "dangerous_waive_recovery" {
  description = "Let a destroy delete the keys at once and for good, instead of after 30 days."
  type        = bool
  default     = false
}
