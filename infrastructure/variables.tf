# --- What every deployment says

variable "name" {
  description = "Name of the deployment. Functions, roles, parameters and the API are called after it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "name: 3 to 32 lower-case letters, digits and -, a letter first and no - last."
  }
  validation {
    condition     = !startswith(var.name, "aws") && !startswith(var.name, "ssm") && !strcontains(var.name, "--")
    error_message = "name: begins with neither aws nor ssm, which Parameter Store keeps to itself, and has no two - in a row, which ECR refuses."
  }
}

variable "region" {
  description = "Region of everything, the certificate included."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: such as eu-central-1."
  }
}

variable "organization_ids" {
  description = "Organisations whose principals may ask for tokens. Empty: only principals of the account that this is deployed in."
  type        = list(string)

  validation {
    condition     = alltrue([for id in var.organization_ids : can(regex("^o-[a-z0-9]{10,32}$", id))])
    error_message = "organization_ids: each is o- and 10 to 32 lower-case letters or digits (aws organizations describe-organization)."
  }
}

variable "domain_name" {
  description = "The issuer's own domain, such as id.example.com. Without one the issuer is the API's URL. Choose before the first relying party: to change it later breaks every one of them."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name == null ? true : can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.domain_name)) && length(var.domain_name) <= 64
    error_message = "domain_name: a host name in lower case, without https:// and without a path, at most 64 characters."
  }
  validation {
    condition     = var.domain_name == null || var.zone_id != null || var.certificate_arn != null
    error_message = "domain_name: needs zone_id, in which the certificate is proved and the name is entered, or else certificate_arn."
  }
  validation {
    condition     = var.domain_name != null || (var.zone_id == null && var.certificate_arn == null)
    error_message = "domain_name: zone_id and certificate_arn are of no use without it."
  }
}

variable "zone_id" {
  description = "Route 53 zone of the domain. Without one, certificate_arn is needed, and the DNS record is yours to make (output domain_target)."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null ? true : can(regex("^Z[A-Z0-9]{1,31}$", var.zone_id))
    error_message = "zone_id: the id of a hosted zone, Z..."
  }
}

# --- What a deployment may say

variable "certificate_arn" {
  description = "A certificate of ACM for domain_name, in this region, in place of one that is made here."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null ? true : can(regex("^arn:[a-z-]+:acm:${var.region}:[0-9]{12}:certificate/", var.certificate_arn))
    error_message = "certificate_arn: the ARN of a certificate of ACM in the deployment's region."
  }
}

variable "policy_file" {
  description = "Who may have which token: a YAML or JSON file, relative to where tofu runs."
  type        = string
  default     = "vars/policy.yaml"
}

variable "package_type" {
  description = "Zip, or Image for container images from the ECR repositories of this deployment (scripts/publish-images)."
  type        = string
  default     = "Zip"

  validation {
    condition     = contains(["Zip", "Image"], var.package_type)
    error_message = "package_type: Zip or Image."
  }
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
  description = "Folder with ARCHITECTURE/NAME.zip and, for images, ARCHITECTURE/NAME/bootstrap: what scripts/package makes, or a release unpacked."
  type        = string
  default     = "../target/lambda"
}

variable "image_revision" {
  description = "Something that is added to the tag of each image, which otherwise says what its binary is: for images of the same binaries on a newer base."
  type        = string
  default     = null

  validation {
    condition     = var.image_revision == null ? true : can(regex("^[A-Za-z0-9_.-]{1,64}$", var.image_revision))
    error_message = "image_revision: 1 to 64 letters, digits, _, . and -."
  }
}

variable "key_store" {
  description = "Where private keys are: secret (in the secret, with the ring) or kms (in AWS KMS, which they never leave)."
  type        = string
  default     = "secret"

  validation {
    condition     = contains(["secret", "kms"], var.key_store)
    error_message = "key_store: secret or kms."
  }
}

variable "keep_kms" {
  description = "After key_store went from kms back to secret: keep the builds and permissions for KMS until no key of the ring is there any more (`countersign keys status --json` shows no kms_key_id)."
  type        = bool
  default     = false
}

variable "key_lanes" {
  description = "Signature algorithms that have keys. RS256 is always among them."
  type        = list(string)
  default     = ["RS256"]

  validation {
    condition     = contains(var.key_lanes, "RS256") && alltrue([for lane in var.key_lanes : contains(["RS256", "ES256", "ES384"], lane)]) && length(distinct(var.key_lanes)) == length(var.key_lanes)
    error_message = "key_lanes: RS256, and perhaps ES256 and ES384, each once."
  }
}

variable "rotation_days" {
  description = "How often keys rotate, in days."
  type        = number
  default     = 30

  validation {
    condition     = var.rotation_days >= 2 && var.rotation_days <= 365 && floor(var.rotation_days) == var.rotation_days
    error_message = "rotation_days: 2 to 365. A rotation that finds a key a second too young leaves it to the next one, so 1 would let keys sign for two days."
  }
}

variable "announce_for" {
  description = "How long a key is published before it signs, such as 24h. At least 140m."
  type        = string
  default     = "24h"

  validation {
    condition     = can(regex("^[1-9][0-9]{0,4}[smh]$", var.announce_for))
    error_message = "announce_for: an integer with s, m or h."
  }
}

variable "retire_for" {
  description = "How long a key is published after it signed, such as 24h. At least 140m."
  type        = string
  default     = "24h"

  validation {
    condition     = can(regex("^[1-9][0-9]{0,4}[smh]$", var.retire_for))
    error_message = "retire_for: an integer with s, m or h."
  }
}

variable "customer_managed_key" {
  description = "Encrypt the secret with a KMS key that only issuer and rotator can decrypt with. Decide before the first apply."
  type        = bool
  default     = false
}

variable "dangerous_waive_key_recovery" {
  description = "Let `tofu destroy` delete the signing keys at once and for good. It takes effect with an apply before the destroy."
  type        = bool
  default     = false
}

variable "deny_forged_identity_center_names" {
  description = "Refuse, at the gateway, roles that are called like Identity Center's and do not lie below its path. False only if that refuses people whom it should not."
  type        = bool
  default     = true
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

variable "waf" {
  description = "AWS WAF in front: `mode` is block or count (count lets everything pass and writes down what it would have refused)."
  type = object({
    enabled                       = optional(bool, true)
    mode                          = optional(string, "block")
    public_requests_per_5_minutes = optional(number, 10000)
  })
  default = {}

  validation {
    condition     = contains(["block", "count"], var.waf.mode)
    error_message = "waf.mode: block or count."
  }
}

variable "provisioned_concurrency" {
  description = "Instances that are kept ready. Above 0 a revocation does not end them: docs/operate.md."
  type = object({
    jwt_issuer = optional(number, 0)
    jwks       = optional(number, 0)
  })
  default = {}

  validation {
    condition     = alltrue([for kept in values(var.provisioned_concurrency) : kept >= 0 && floor(kept) == kept])
    error_message = "provisioned_concurrency: 0 or more."
  }
}

variable "memory_mb" {
  description = "Memory of the two functions behind the API, in MB, which decides how much CPU they have."
  type        = number
  default     = 256

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb: 128 to 10240."
  }
}

variable "root_certificates_file" {
  description = "The file of the runtime's root certificates, which spares each start a folder of them; null to let the functions look for themselves."
  type        = string
  default     = "/etc/pki/tls/certs/ca-bundle.crt"
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

variable "log_kms_key_arn" {
  description = "KMS key that encrypts all logs. Its key policy has to let CloudWatch Logs of this region use it."
  type        = string
  default     = null

  validation {
    condition     = var.log_kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.log_kms_key_arn))
    error_message = "log_kms_key_arn: the ARN of a KMS key."
  }
}

variable "alarm_topic_kms_key_arn" {
  description = "KMS key that encrypts the topic of alarms. Its key policy has to let CloudWatch and EventBridge use it."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:", var.alarm_topic_kms_key_arn))
    error_message = "alarm_topic_kms_key_arn: the ARN of a KMS key."
  }
}

variable "alarm_emails" {
  description = "Addresses that get alarms, each after it has confirmed."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", address))])
    error_message = "alarm_emails: each is one address."
  }
}

variable "deployer_role_arns" {
  description = "The roles that run tofu: their writes raise no alarm, and output scp lets them and nobody else change what matters."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.deployer_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "deployer_role_arns: each is the ARN of a role (arn:aws:iam::123456789012:role/NAME, with its path), not of a session, and without wildcards."
  }
}

variable "operator_role_arns" {
  description = "The roles that run `countersign keys --function`: output scp keeps the rotator from everybody else."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operator_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "operator_role_arns: each is the ARN of a role (arn:aws:iam::123456789012:role/NAME, with its path), not of a session, and without wildcards."
  }
}

variable "manage_api_gateway_account" {
  description = "Set the role with which API Gateway writes logs, one for the account and region. False where another set-up owns it."
  type        = bool
  default     = true
}

variable "await_keys" {
  description = "Let apply end only when the key set can be fetched with keys in it."
  type        = bool
  default     = true
}

variable "jwks_probe_url" {
  description = "From where apply and the rotator look at the published key set, if not from its public URL."
  type        = string
  default     = null

  validation {
    condition     = var.jwks_probe_url == null ? true : can(regex("^(https://|http://(127\\.0\\.0\\.1|localhost)[:/])", var.jwks_probe_url))
    error_message = "jwks_probe_url: https, or http on this very machine."
  }
}

variable "tags" {
  description = "Tags of everything, beside `application` and `deployment`."
  type        = map(string)
  default     = {}
}
