variable "domain_name" {
  description = "The name that the certificate is for."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.domain_name)) && length(var.domain_name) <= 64
    error_message = "domain_name: lower-case labels with dots between them, at most 64 characters, as ACM has it."
  }
}

variable "zone_id" {
  description = "Route 53 zone in which the name is proved."
  type        = string

  validation {
    condition     = can(regex("^Z[A-Z0-9]{1,31}$", var.zone_id))
    error_message = "zone_id: the id of a hosted zone, Z..."
  }
}
