variable "name" {
  description = "Name of the integration, as Snowflake shows it: without quotes around it, so in capitals."
  type        = string

  validation {
    condition     = can(regex("^[A-Z_][A-Z0-9_]{0,254}$", var.name))
    error_message = "name: capital letters, digits and _, and no digit first."
  }
}

variable "issuer_url" {
  description = "What the tokens' `iss` says, byte for byte: the root's output issuer_url."
  type        = string

  validation {
    condition     = can(regex("^https://[^?#\\s]+[^/?#\\s]$", var.issuer_url))
    error_message = "issuer_url: https, without query and without a slash at the end."
  }
}

variable "jwks_url" {
  description = "Where Snowflake fetches the keys; null for the issuer URL and /.well-known/jwks.json."
  type        = string
  default     = null

  validation {
    condition     = var.jwks_url == null ? true : can(regex("^https://[^#\\s]+$", var.jwks_url))
    error_message = "jwks_url: https. Snowflake fetches keys over nothing else."
  }
}

variable "audiences" {
  description = "The `aud` of the audiences with the profile snowflake that this account takes. Snowflake takes its own account URL besides."
  type        = list(string)

  validation {
    condition     = length(var.audiences) > 0 && length(distinct(var.audiences)) == length(var.audiences) && alltrue([for aud in var.audiences : can(regex("^[!-~]{1,255}$", aud))])
    error_message = "audiences: at least one, each once, of printable ASCII characters without space."
  }
}

variable "any_role_mode" {
  description = "Whether session:role-any may take any role of its user: DISABLE, ENABLE, or ENABLE_FOR_PRIVILEGE for roles with USE_ANY_ROLE on the integration."
  type        = string
  default     = "DISABLE"

  validation {
    condition     = contains(["DISABLE", "ENABLE", "ENABLE_FOR_PRIVILEGE"], var.any_role_mode)
    error_message = "any_role_mode: DISABLE, ENABLE or ENABLE_FOR_PRIVILEGE."
  }
}

variable "allowed_roles" {
  description = "The only roles that a session may begin with; empty for all that token and user have. Not together with blocked_roles."
  type        = set(string)
  default     = []
}

variable "blocked_roles" {
  description = "Roles that no session may begin with, besides ACCOUNTADMIN, ORGADMIN, GLOBALORGADMIN and SECURITYADMIN, which Snowflake adds by itself."
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.blocked_roles) == 0 || length(var.allowed_roles) == 0
    error_message = "blocked_roles: the provider takes allowed_roles or blocked_roles, not both."
  }
}

variable "user_mapping_claims" {
  description = "The claims that say who the user is."
  type        = set(string)
  default     = ["sub"]

  validation {
    condition     = length(var.user_mapping_claims) > 0
    error_message = "user_mapping_claims: at least one."
  }
}

variable "user_mapping_attribute" {
  description = "What of a Snowflake user the claim is compared with: LOGIN_NAME or EMAIL_ADDRESS. An e-mail address does not have to be one user's alone."
  type        = string
  default     = "LOGIN_NAME"

  validation {
    condition     = contains(["LOGIN_NAME", "EMAIL_ADDRESS"], var.user_mapping_attribute)
    error_message = "user_mapping_attribute: LOGIN_NAME or EMAIL_ADDRESS."
  }
}

variable "scope_attribute" {
  description = "The claim with the scopes: scp, a list. (scope is one text with spaces, which Snowflake cuts only if its support has enabled another delimiter.)"
  type        = string
  default     = "scp"

  validation {
    condition     = contains(["scp", "scope"], var.scope_attribute)
    error_message = "scope_attribute: scp or scope, the two that our tokens have."
  }
}

variable "enabled" {
  description = "Whether Snowflake takes the tokens. false ends new logins at once, and leaves the integration where it is."
  type        = bool
  default     = true
}

variable "comment" {
  description = "A comment for whoever finds the integration in Snowflake."
  type        = string
  default     = "Tokens of Countersign"
}
