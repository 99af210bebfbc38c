variable "name" {
  description = "What the roles' names begin with: a role is `NAME-KEY`. Not the deployment's own name, if its deployer may write the roles `DEPLOYMENT-*`."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]+$", var.name))
    error_message = "name: letters, digits and + = , . @ _ -, as IAM has it."
  }
}

variable "account_id" {
  description = "Account of the provider and the roles."
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

variable "create_provider" {
  description = "Make GitHub's provider. False if the account has one already: it is then read, and nothing of it is changed."
  type        = bool
  default     = true
}

variable "audience" {
  description = "Whom GitHub's token is for (`aud`). The default is what aws-actions/configure-aws-credentials asks for."
  type        = string
  default     = "sts.amazonaws.com"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$", var.audience))
    error_message = "audience: one name or URL, such as sts.amazonaws.com, without wildcards."
  }
}

variable "permissions_boundary" {
  description = "ARN of the policy beyond which no role here can reach, whatever it is given; a role may name another one. It has no default, so that `null`, for none, is something that somebody wrote down."
  type        = string

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9+=,.@_/-]+$", var.permissions_boundary))
    error_message = "permissions_boundary: the ARN of a managed policy, or null for none."
  }
}

variable "trust_policy_quota" {
  description = "How many characters a trust policy may have: the account's quota \"Role trust policy length\"."
  type        = number
  default     = 2048

  validation {
    condition     = var.trust_policy_quota >= 2048 && var.trust_policy_quota <= 8192 && floor(var.trust_policy_quota) == var.trust_policy_quota
    error_message = "trust_policy_quota: 2048, which every account has, to 8192, which is the most that AWS gives."
  }
}

variable "roles" {
  description = "The roles by the end of their names: whose workflows get in, and what they may do. README.md has each field."
  type = map(object({
    description = optional(string)

    # By OWNER/REPO as GitHub writes it.
    repositories = map(object({
      owner_id             = optional(string)
      repository_id        = optional(string)
      dangerous_name_alone = optional(bool, false)
      subject              = optional(string, "both")
      branches             = optional(list(string), [])
      tags                 = optional(list(string), [])
      environments         = optional(list(string), [])
      environment_refs     = optional(list(string))
      pull_requests        = optional(bool, false)
      any_ref              = optional(bool, false)
      reusable_workflows   = optional(list(string), [])
    }))

    permissions_boundary = optional(string)
    max_session_duration = optional(number, 3600)

    lambda_functions    = optional(list(string), [])
    s3_prefixes         = optional(list(object({ bucket = string, prefix = string, write = optional(bool, false), delete = optional(bool, false), account_id = optional(string) })), [])
    pass_roles          = optional(list(object({ role_arns = list(string), service = string })), [])
    managed_policy_arns = optional(list(string), [])
    inline_policy       = optional(string)
  }))

  validation {
    condition     = length(var.roles) > 0 && alltrue([for key, role in var.roles : can(regex("^[A-Za-z0-9+=,.@_-]+$", key))])
    error_message = "roles: at least one; a key is the end of the role's name, of letters, digits and + = , . @ _ -."
  }

  validation {
    condition     = alltrue([for key, role in var.roles : length("${var.name}-${key}") <= 64])
    error_message = "roles: a role's name, NAME-KEY, has 64 characters at most; too long: ${join(", ", [for key, role in var.roles : "${var.name}-${key}" if length("${var.name}-${key}") > 64])}."
  }

  validation {
    condition     = alltrue([for key, role in var.roles : length(role.repositories) > 0])
    error_message = "roles: repositories names at least one; none: ${join(", ", [for key, role in var.roles : key if length(role.repositories) == 0])}."
  }

  # An owner is letters, digits and single hyphens, with _ before an enterprise's short code.
  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [for name, r in role.repositories : can(regex("^[A-Za-z0-9]+(-[A-Za-z0-9]+)*(_[A-Za-z0-9]+)?/[A-Za-z0-9._-]{1,100}$", name))]
    ]))
    error_message = "roles: a repository is OWNER/REPO, both by their whole names and written as on GitHub, such as acme/app: no wildcard, no URL, no owner alone."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [
        for name, r in role.repositories : r.dangerous_name_alone ? r.owner_id == null && r.repository_id == null : alltrue([for id in [r.owner_id, r.repository_id] : can(regex("^[1-9][0-9]*$", id))])
      ]
    ]))
    error_message = "roles: owner_id and repository_id of each repository are numbers that outlive its name: gh api repos/OWNER/REPO --jq '[.owner.id, .id]'. Without both, whoever gets the name gets in; `dangerous_name_alone = true` says that this is meant, and then there are no ids."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [for name, r in role.repositories : contains(r.dangerous_name_alone ? ["both", "name"] : ["both", "name", "immutable"], r.subject)]
    ]))
    error_message = "roles: subject is \"both\", \"name\" (repo:OWNER/REPO:...) or \"immutable\" (repo:OWNER@ID/REPO@ID:...), and the last one needs the ids."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [
        for name, r in role.repositories : length(r.branches) + length(r.tags) + length(r.environments) > 0 || r.pull_requests || r.any_ref
      ]
    ]))
    error_message = "roles: nothing of a repository is selected: name branches, tags, environments or pull_requests; reusable_workflows narrows these, and stands alone with `any_ref = true`."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [for name, r in role.repositories : r.any_ref ? length(r.reusable_workflows) > 0 && length(r.branches) + length(r.tags) + length(r.environments) == 0 && !r.pull_requests : true]
    ]))
    error_message = "roles: any_ref lets every branch, tag, environment and pull request in, so it goes with reusable_workflows, and with nothing that it would cover."
  }

  # `*` of IAM passes every `/`, so anywhere but at the end it would join what belongs apart.
  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [
        for name, r in role.repositories : [
          for ref in concat(r.branches, r.tags) : can(regex("^[A-Za-z0-9._+@#=,-]+(/[A-Za-z0-9._+@#=,-]+)*(\\*|/\\*)?$", ref)) && !startswith(ref, "refs/") && !strcontains(ref, "..")
        ]
      ]
    ]))
    error_message = "roles: a branch or tag is its name without refs/heads/ or refs/tags/, of letters, digits and . _ + @ # = , - /; a `*` may only be its last character, behind a beginning: v*, release/*. It also stands for more steps: release/* means release/a/b."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [for name, r in role.repositories : [for e in r.environments : can(regex("^[^*?$%[:cntrl:]]{1,255}$", e)) && trimspace(e) == e]]
    ]))
    error_message = "roles: an environment is its whole name, as in the workflow: no wildcards, no $ and no %. A colon is written as it is; the module encodes it as GitHub does."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [
        for name, r in role.repositories : r.environment_refs == null ? true : length(r.environments) > 0 && length(r.environment_refs) > 0 && alltrue([for ref in r.environment_refs : can(regex("^refs/(heads|tags)/[A-Za-z0-9._+@#=,-]+(/[A-Za-z0-9._+@#=,-]+)*$", ref))])
      ]
    ]))
    error_message = "roles: environment_refs holds the environments to whole refs, such as refs/heads/main, and goes with environments. Without it their protection rules on GitHub alone say which branch may."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [
        for name, r in role.repositories : [
          for workflow in r.reusable_workflows : can(regex("^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+/\\.github/workflows/[A-Za-z0-9._-]+\\.ya?ml@(refs/(heads|tags)/[A-Za-z0-9._+@#=,/-]+|[0-9a-f]{40})$", workflow))
        ]
      ]
    ]))
    error_message = "roles: a reusable workflow is OWNER/REPO/.github/workflows/FILE.yml@REF, with the ref whole as the caller's `uses` resolves it: refs/heads/main, refs/tags/v1, or the 40 digits of a commit. No wildcards."
  }

  validation {
    condition     = alltrue([for key, role in var.roles : role.permissions_boundary == null ? true : can(regex("^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9+=,.@_/-]+$", role.permissions_boundary))])
    error_message = "roles: permissions_boundary is the ARN of a managed policy; left out, it is the module's."
  }

  validation {
    condition     = alltrue([for key, role in var.roles : role.max_session_duration >= 3600 && role.max_session_duration <= 43200 && floor(role.max_session_duration) == role.max_session_duration])
    error_message = "roles: max_session_duration is 3600 to 43200 seconds, as IAM has it. A workflow may ask for less, from 900."
  }

  validation {
    condition     = alltrue(flatten([for key, role in var.roles : [for arn in role.lambda_functions : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}$", arn))]]))
    error_message = "roles: lambda_functions are ARNs of functions by their whole names, without version, alias or wildcard."
  }

  # Without the slash `app` would mean `app-secrets` as well.
  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [for p in role.s3_prefixes : can(regex("^([A-Za-z0-9._=+@,-]+/)+$", p.prefix)) && can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", p.bucket)) && (p.account_id == null ? true : can(regex("^[0-9]{12}$", p.account_id)))]
    ]))
    error_message = "roles: s3_prefixes are a bucket's name and a prefix that ends with /, such as releases/app/, and none at its beginning; no wildcards. A prefix without the slash would take its siblings in, and none at all the whole bucket: say that in inline_policy, if it is meant."
  }

  validation {
    condition = alltrue(flatten([
      for key, role in var.roles : [for p in role.pass_roles : length(p.role_arns) > 0 && can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", p.service)) && alltrue([for arn in p.role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))])]
    ]))
    error_message = "roles: pass_roles are ARNs of roles by their whole names, and the service that gets them: lambda.amazonaws.com."
  }

  validation {
    condition     = alltrue(flatten([for key, role in var.roles : [for arn in role.managed_policy_arns : can(regex("^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/[A-Za-z0-9+=,.@_/-]+$", arn))]]))
    error_message = "roles: managed_policy_arns are ARNs of managed policies."
  }

  validation {
    condition     = alltrue([for key, role in var.roles : role.inline_policy == null ? true : can(jsondecode(role.inline_policy).Statement)])
    error_message = "roles: inline_policy is a policy document as JSON, with a Statement: jsonencode({ Version = \"2012-10-17\", Statement = [...] })."
  }
}
