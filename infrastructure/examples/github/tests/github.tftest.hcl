# What the roles of this project's workflows are, and what they are not. Nothing is asked: the provider is a mock.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  # Each has the same ARN here; which policy is whose is told by their number and names.
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/made" }
  }
}

variables {
  name          = "countersign-dev"
  region        = "eu-central-1"
  environment   = "dev"
  repository    = "acme/countersign"
  owner_id      = 1234
  repository_id = 5678
  state         = { bucket = "acme-countersign-state", key = "countersign/terraform.tfstate" }
}

run "everything_on" {
  variables {
    api_id               = "a1b2c3d4e5"
    zone_id              = "Z0123456789ABCDEFGHIJ"
    customer_managed_key = true
    images               = true
    state                = { bucket = "acme-countersign-state", key = "countersign/terraform.tfstate", kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d" }
  }

  assert {
    condition = { for use, policy in output.trust_policies : use => [
      for s in jsondecode(policy).Statement : [
        s.Condition.StringEquals["token.actions.githubusercontent.com:aud"],
        s.Condition.StringEquals["token.actions.githubusercontent.com:repository_id"],
        s.Condition.StringEquals["token.actions.githubusercontent.com:sub"],
        try(s.Condition.StringEquals["token.actions.githubusercontent.com:ref"], []),
        keys(s.Condition),
      ]
      ] } == {
      plan    = [["sts.amazonaws.com", "5678", ["repo:acme/countersign:environment:plan-dev", "repo:acme@1234/countersign@5678:environment:plan-dev"], [], ["StringEquals"]]]
      apply   = [["sts.amazonaws.com", "5678", ["repo:acme/countersign:environment:dev", "repo:acme@1234/countersign@5678:environment:dev"], ["refs/heads/main"], ["StringEquals"]]]
      publish = [["sts.amazonaws.com", "5678", ["repo:acme/countersign:environment:dev", "repo:acme@1234/countersign@5678:environment:dev"], ["refs/heads/main"], ["StringEquals"]]]
      probe   = [["sts.amazonaws.com", "5678", ["repo:acme/countersign:environment:probe-dev", "repo:acme@1234/countersign@5678:environment:probe-dev"], ["refs/heads/main"], ["StringEquals"]]]
    }
    error_message = "a role is opened by something else than its environment, on its branch"
  }

  assert {
    condition     = alltrue([for sid, s in local.statements.plan : alltrue([for action in s.Action : can(regex("^[a-z0-9-]+:(Get|List|Describe)", action)) || contains(["apigateway:GET", "kms:Decrypt"], action)])])
    error_message = "the plan's role may do more than read"
  }
  assert {
    condition     = !anytrue([for sid, s in local.statements.plan : sid != "LargePolicy" && contains(s.Action, "secretsmanager:GetSecretValue")]) && local.statements.plan.LargePolicy.Resource == ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:countersign-dev/policy-*"]
    error_message = "the plan's role reads a secret that is not the policy"
  }
  assert {
    condition     = alltrue(flatten([for use, statements in local.statements : [for s in statements : [for action in s.Action : !strcontains(action, "*")]]]))
    error_message = "an action that is not named whole"
  }
  assert {
    condition     = join(" ", sort([for s in concat(local.policies.apply-functions, local.policies.apply-others) : s.Sid])) == join(" ", keys(local.statements.apply)) && join(" ", sort([for s in concat(local.policies.plan-functions, local.policies.plan-others) : s.Sid])) == join(" ", keys(local.statements.plan))
    error_message = "a row of the table is in no policy"
  }
  # What has no name of the deployment is what AWS gives no name, or one that nobody chooses.
  assert {
    condition = toset([
      for sid, s in local.statements.apply : sid if !alltrue([for arn in s.Resource : strcontains(arn, "countersign-dev") || strcontains(arn, "acme-countersign-state")])
    ]) == toset(["Api", "ServiceRoles", "Unnamed", "Waf", "Certificate", "Dns", "DnsChange", "MakeKey", "Key", "TagKey", "Aliases", "StateKey"])
    error_message = "a row that reaches beyond the deployment"
  }
  assert {
    condition     = [for sid, s in local.statements.apply : sid if contains(s.Resource, "*")] == ["Aliases", "MakeKey", "Unnamed"]
    error_message = "a row for everything"
  }
  assert {
    condition = { for sid, s in local.statements.apply : sid => s.Condition if can(s.Condition) } == {
      LogRole      = { ArnEquals = { "iam:PolicyARN" = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs" } }
      ServiceRoles = { StringEquals = { "iam:AWSServiceName" = ["ops.apigateway.amazonaws.com", "wafv2.amazonaws.com"] } }
      MakeKey      = { StringEquals = { "aws:RequestTag/deployment" = "countersign-dev" } }
      Key          = { StringEquals = { "aws:ResourceTag/deployment" = "countersign-dev" } }
      TagKey       = { StringEquals = { "aws:RequestTag/deployment" = "countersign-dev" }, StringEqualsIfExists = { "aws:ResourceTag/deployment" = "countersign-dev" } }
      StateList    = { StringLike = { "s3:prefix" = ["countersign/terraform.tfstate*", "env:/"] } }
    }
    error_message = "a condition"
  }
  # Neither itself nor another workflow's role is among what it may change.
  assert {
    condition     = !anytrue(flatten([for s in local.statements.apply : [for arn in s.Resource : strcontains(arn, "role/github-") || endswith(arn, ":role/*")]]))
    error_message = "the role for applies may change roles of workflows"
  }
  assert {
    condition     = local.statements.apply.Roles.Resource == [for f in ["jwt-issuer", "jwks", "key-rotator", "apigateway-logs"] : "arn:aws:iam::111122223333:role/countersign-dev-${f}"]
    error_message = "the roles that applies make"
  }
  assert {
    condition = jsondecode(module.roles.access_policies.apply).Statement == [
      {
        Sid       = "PassRoles1"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = [for f in ["jwt-issuer", "jwks", "key-rotator"] : "arn:aws:iam::111122223333:role/countersign-dev-${f}"]
        Condition = { StringEquals = { "iam:PassedToService" = "lambda.amazonaws.com" } }
      },
      {
        Sid       = "PassRoles2"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = ["arn:aws:iam::111122223333:role/countersign-dev-apigateway-logs"]
        Condition = { StringEquals = { "iam:PassedToService" = "apigateway.amazonaws.com" } }
      },
    ]
    error_message = "which role is handed to which service"
  }
  assert {
    condition     = { for name, policy in aws_iam_policy.deployment : name => policy.name } == { for use in ["apply-functions", "apply-others", "plan-functions", "plan-others"] : use => "github-countersign-dev-${use}" }
    error_message = "the policies"
  }

  # What a workflow is told.
  assert {
    condition = toset([for line in split("\n", trimspace(output.settings)) : split(" --body", line)[0] if startswith(line, "gh variable")]) == toset([
      for pair in [
        ["AWS_REGION", "dev"], ["AWS_REGION", "plan-dev"], ["AWS_REGION", "probe-dev"],
        ["AWS_PLAN_ROLE_ARN", "plan-dev"], ["AWS_APPLY_ROLE_ARN", "dev"], ["AWS_PUBLISH_ROLE_ARN", "dev"], ["AWS_PROBE_ROLE_ARN", "probe-dev"],
      ] : "gh variable set ${pair[0]} --repo acme/countersign --env ${pair[1]}"
    ])
    error_message = "a variable for a workflow, in its environment"
  }
}

# What no role of a workflow reaches, whatever is attached to it: each thing by name, as a Deny without conditions.
run "the_boundary" {
  variables {
    api_id = "a1b2c3d4e5"
    images = true
  }

  assert {
    condition     = toset(keys(module.roles.permissions_boundaries)) == toset(["plan", "apply", "publish", "probe"]) && alltrue([for key, arn in module.roles.permissions_boundaries : arn == aws_iam_policy.boundary.arn])
    error_message = "a role without the boundary"
  }
  assert {
    condition = { for s in jsondecode(aws_iam_policy.boundary.policy).Statement : s.Sid => [s.Effect, try(s.Action, s.NotAction), s.Resource] } == {
      OwnPoliciesDecide = ["Allow", "*", "*"]
      NotThemselves = [
        "Deny",
        ["iam:GetOpenIDConnectProvider", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListPolicyVersions", "iam:ListRolePolicies"],
        ["arn:aws:iam::111122223333:role/github-countersign-dev-*", "arn:aws:iam::111122223333:policy/github-countersign-dev-*", "arn:aws:iam::111122223333:oidc-provider/*"],
      ]
      NoOtherIdentity = [
        "Deny",
        ["iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateOpenIDConnectProvider", "iam:CreateSAMLProvider", "iam:CreateUser", "iam:UpdateLoginProfile", "sts:AssumeRole", "sts:GetFederationToken"],
        "*",
      ]
      NoSigningKeys      = ["Deny", ["kms:Sign", "secretsmanager:BatchGetSecretValue"], "*"]
      NotTheRing         = ["Deny", ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], "arn:aws:secretsmanager:*:111122223333:secret:countersign-dev/keys-*"]
      NotTheOrganisation = ["Deny", ["account:*", "organizations:*"], "*"]
    }
    error_message = "what the boundary takes out"
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_policy.boundary.policy).Statement : s.Sid if can(s.NotAction)] == ["NotThemselves"] && !anytrue([for s in jsondecode(aws_iam_policy.boundary.policy).Statement : can(s.Condition)])
    error_message = "a Deny that is turned round, or has a condition"
  }
  # Plans come from every branch; applies, images and probes from one.
  assert {
    condition     = { for e in ["plan-dev", "dev", "probe-dev"] : e => anytrue([for line in split("\n", output.settings) : strcontains(line, "environments/${e}/deployment-branch-policies -f name=main -f type=branch") && strcontains(line, "environments/${e} -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'")]) } == { plan-dev = false, dev = true, probe-dev = true }
    error_message = "the branches of an environment"
  }
}

run "the_least" {
  assert {
    condition     = toset(keys(output.role_arns)) == toset(["plan", "apply"])
    error_message = "a role for what the deployment does not have"
  }
  assert {
    condition     = length(setintersection(keys(local.statements.apply), ["Certificate", "Dns", "DnsChange", "MakeKey", "Key", "TagKey", "Alias", "Aliases", "Images", "StateKey"])) == 0
    error_message = "permissions for what the deployment does not have"
  }
}

run "what_publishes_and_what_probes" {
  variables {
    api_id = "a1b2c3d4e5"
    images = true
  }

  assert {
    condition = jsondecode(module.roles.inline_policies.probe) == {
      Version   = "2012-10-17"
      Statement = [{ Sid = "AskForTokens", Effect = "Allow", Action = "execute-api:Invoke", Resource = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/POST/token" }]
    }
    error_message = "a probe asks for tokens and does nothing else"
  }
  assert {
    condition     = [for s in local.push_statements : s.Resource] == ["*", [for f in ["jwt-issuer", "jwks", "key-rotator"] : "arn:aws:ecr:eu-central-1:111122223333:repository/countersign-dev/${f}"]] && local.push_statements[0].Action == ["ecr:GetAuthorizationToken"]
    error_message = "images go into the deployment's repositories"
  }
  assert {
    condition     = !anytrue([for action in local.push_statements[1].Action : can(regex("Delete|Create|SetRepository|PutLifecycle", action))])
    error_message = "who pushes may change or delete repositories"
  }
}

# With everything on, and a name as long as a deployment may have: IAM takes 6,144 characters for each policy.
run "the_longest" {
  variables {
    name                 = "countersign-production-eu-west-1"
    environment          = "production-eu-west-1"
    region               = "ap-southeast-1"
    repository           = "acme-platform-engineering/countersign-deployment"
    zone_id              = "Z0123456789ABCDEFGHIJ"
    api_id               = "a1b2c3d4e5"
    customer_managed_key = true
    images               = true
    state                = { bucket = "acme-countersign-production-state", key = "env:/production/countersign/terraform.tfstate", kms_key_arn = "arn:aws:kms:ap-southeast-1:111122223333:key/11111111-2222-3333-4444-555555555555" }
  }

  assert {
    condition     = max([for policy in aws_iam_policy.deployment : length(policy.policy)]...) <= 6144 && length(aws_iam_policy.boundary.policy) <= 6144
    error_message = "a policy is too long"
  }
}

run "what_cannot_be" {
  command = plan

  variables {
    name        = "github-dev"
    region      = "Frankfurt"
    environment = "Dev 1"
    state       = { bucket = "acme_state", key = "/state" }
    api_id      = "api"
    zone_id     = "example.com"
  }

  expect_failures = [var.name, var.region, var.environment, var.state, var.api_id, var.zone_id]
}

# The environment `plan-dev` is where plans of `dev` run, from every branch and without anybody's approval.
run "an_environment_of_plans" {
  command = plan
  variables {
    environment = "plan-dev"
  }
  expect_failures = [var.environment]
}

run "an_environment_of_probes" {
  command = plan
  variables {
    environment = "probe-dev"
  }
  expect_failures = [var.environment]
}

run "the_environment_of_releases" {
  command = plan
  variables {
    environment = "release"
  }
  expect_failures = [var.environment]
}

# scripts/infrastructure-pipeline takes no such name.
run "an_environment_that_begins_with_a_digit" {
  command = plan
  variables {
    environment = "1dev"
  }
  expect_failures = [var.environment]
}
