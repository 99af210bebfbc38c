variable "name" {
  description = "Name of the deployment, as in its var-file."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !startswith(var.name, "github-")
    error_message = "name: 3 to 32 lower-case letters, digits and -, a letter first and no - last, as in the deployment's var-file; not github-..., which is what the roles of workflows are called."
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

variable "environment" {
  description = "What the deployment is called on GitHub: applies run in the environment ENVIRONMENT, plans in plan-ENVIRONMENT, probes in probe-ENVIRONMENT."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.environment)) && !can(regex("^((plan|probe)-|release$)", var.environment))
    error_message = "environment: a lower-case letter, then letters, digits and -, such as dev or prod. Not plan-..., probe-... or release: these are the environments of plans, which every branch may use, of probes and of releases."
  }
}

variable "repository" {
  description = "OWNER/REPO whose workflows get in, as GitHub writes it."
  type        = string
}

variable "owner_id" {
  description = "Number of the owner: gh api repos/OWNER/REPO --jq .owner.id"
  type        = string
}

variable "repository_id" {
  description = "Number of the repository: gh api repos/OWNER/REPO --jq .id"
  type        = string
}

variable "branch" {
  description = "Applies, images and probes come from this branch alone."
  type        = string
  default     = "main"
}

variable "create_provider" {
  description = "Make GitHub's provider in IAM. False if the account has it already."
  type        = bool
  default     = true
}

variable "state" {
  description = "Where the deployment's state is, as in its backend.tf, and the KMS key that encrypts it, if there is one."
  type        = object({ bucket = string, key = string, kms_key_arn = optional(string) })

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.state.bucket)) && can(regex("^[A-Za-z0-9_.:-]+(/[A-Za-z0-9_.:-]+)*$", var.state.key))
    error_message = "state: bucket and key of backend.tf; of a workspace the key is env:/WORKSPACE/KEY."
  }
}

variable "api_id" {
  description = "Id of the deployment's API (output api_id of it), for the role of probes. Null before the first apply: then there is no such role yet."
  type        = string
  default     = null

  validation {
    condition     = var.api_id == null ? true : can(regex("^[a-z0-9]{10}$", var.api_id))
    error_message = "api_id: 10 lower-case letters and digits: tofu -chdir=infrastructure output -raw api_id."
  }
}

variable "zone_id" {
  description = "The deployment's zone_id, if it has one: then applies also ask for the certificate and write into this zone."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null ? true : can(regex("^Z[A-Z0-9]{5,31}$", var.zone_id))
    error_message = "zone_id: such as Z0123456789ABCDEFGHIJ."
  }
}

variable "customer_managed_key" {
  description = "Whether the deployment has customer_managed_key."
  type        = bool
  default     = false
}

variable "images" {
  description = "Whether the deployment has package_type Image: a role that pushes, and repositories for applies."
  type        = bool
  default     = false
}
