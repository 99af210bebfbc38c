# The roles of this project's own workflows for one deployment: who plans, who applies, who publishes images, who probes. It
# is applied by hand, before the first workflow runs and in the deployment's account, since no workflow may make its own role.

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "countersign", deployment = var.name }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  # Not `NAME-...`, which is what the deployment's own roles are called.
  roles = "github-${var.name}"

  # Whoever may push to the repository may write a workflow that names any environment. What keeps an environment to a branch
  # is its protection on GitHub, and for all but the plan also `ref` here.
  environments = { plan = "plan-${var.environment}", apply = var.environment, publish = var.environment, probe = "probe-${var.environment}" }
  from = {
    for use, environment in local.environments : use => {
      (var.repository) = {
        owner_id         = var.owner_id
        repository_id    = var.repository_id
        environments     = [environment]
        environment_refs = use == "plan" ? null : ["refs/heads/${var.branch}"]
      }
    }
  }
}

module "roles" {
  source = "../../modules/github_oidc"

  name                 = local.roles
  account_id           = local.account_id
  partition            = local.partition
  create_provider      = var.create_provider
  permissions_boundary = aws_iam_policy.boundary.arn

  roles = merge(
    {
      plan = {
        description         = "tofu plan of ${var.name}, on pull requests: reads"
        repositories        = local.from.plan
        managed_policy_arns = [for key, policy in aws_iam_policy.deployment : policy.arn if startswith(key, "plan-")]
      }
      apply = {
        description         = "tofu apply of ${var.name}: as powerful as the issuer"
        repositories        = local.from.apply
        pass_roles          = local.pass_roles
        inline_policy       = var.images ? jsonencode({ Version = "2012-10-17", Statement = local.push_statements }) : null
        managed_policy_arns = [for key, policy in aws_iam_policy.deployment : policy.arn if startswith(key, "apply-")]
      }
    },
    var.images ? {
      publish = {
        description   = "Pushes images of ${var.name}"
        repositories  = local.from.publish
        inline_policy = jsonencode({ Version = "2012-10-17", Statement = local.push_statements })
      }
    } : {},
    # The API has an id after the first apply.
    var.api_id == null ? {} : {
      probe = {
        description  = "Asks ${var.name} for tokens, by night"
        repositories = local.from.probe
        inline_policy = jsonencode({
          Version = "2012-10-17"
          Statement = [{
            Sid      = "AskForTokens"
            Effect   = "Allow"
            Action   = "execute-api:Invoke"
            Resource = "arn:${local.partition}:execute-api:${var.region}:${local.account_id}:${var.api_id}/v1/POST/token"
          }]
        })
      }
    },
  )
}
