# A service control policy for the organisation: what no policy inside an account can hold against that account's own
# administrators. It is an output, since the organisation is another account's to administer. Statements that would lock
# everybody out are left away as long as deployer_role_arns or operator_role_arns are empty.

locals {
  deployers_named = length(var.deployer_role_arns) > 0
  operators_named = length(var.operator_role_arns) > 0

  ring_roles             = [local.role_arns.jwt_issuer, local.role_arns.key_rotator]
  deployers_and_rotator  = concat([local.role_arns.key_rotator], var.deployer_role_arns)
  all_function_resources = flatten([for arn in values(local.function_arns) : [arn, "${arn}:*"]])

  # API Gateway, Secrets Manager and EventBridge invoke functions as services, which no service control policy concerns.
  scp_statements = [for entry in [
    {
      # Everywhere in the organisation: the issuer tells people by this name.
      when      = true
      sid       = "NamesOfIdentityCenterAreAws"
      actions   = ["iam:CreateRole"]
      resources = ["arn:${local.partition}:iam::*:role/*AWSReservedSSO_*"]
      except    = []
    },
    {
      # Who may invoke it can write any caller into an event.
      when      = true
      sid       = "OnlyTheGatewayAsksForTokens"
      actions   = ["lambda:InvokeAsync", "lambda:InvokeFunction", "lambda:InvokeFunctionUrl"]
      resources = [local.function_arns.jwt_issuer, "${local.function_arns.jwt_issuer}:*"]
      except    = []
    },
    {
      when      = local.operators_named
      sid       = "OnlyOperatorsAskTheRotator"
      actions   = ["lambda:InvokeAsync", "lambda:InvokeFunction", "lambda:InvokeFunctionUrl"]
      resources = [local.function_arns.key_rotator, "${local.function_arns.key_rotator}:*"]
      # RotateSecret, with which the schedule is made, asks for the same permission.
      except = concat(var.operator_role_arns, var.deployer_role_arns)
    },
    {
      when      = true
      sid       = "OnlyIssuerAndRotatorReadTheRing"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [module.keys.secret_arn]
      except    = local.ring_roles
    },
    {
      when      = true
      sid       = "OnlyTheRotatorWritesTheRing"
      actions   = ["secretsmanager:PutSecretValue"]
      resources = [module.keys.secret_arn]
      except    = [local.role_arns.key_rotator]
    },
    {
      # Deployers make the parameter, and may have to make it anew.
      when      = true
      sid       = "OnlyTheRotatorPublishes"
      actions   = ["ssm:DeleteParameter", "ssm:DeleteParameters", "ssm:LabelParameterVersion", "ssm:PutParameter"]
      resources = [module.keys.jwks_parameter_arn]
      except    = local.deployers_and_rotator
    },
    {
      when = local.deployers_named
      sid  = "OnlyDeployersChangeSecretsAndThePolicy"
      actions = [
        "secretsmanager:CancelRotateSecret", "secretsmanager:DeleteResourcePolicy", "secretsmanager:DeleteSecret",
        "secretsmanager:PutResourcePolicy", "secretsmanager:UpdateSecret",
        "ssm:DeleteParameter", "ssm:DeleteParameters", "ssm:LabelParameterVersion", "ssm:PutParameter",
      ]
      resources = [module.keys.secret_arn, module.policy.arn]
      except    = var.deployer_role_arns
    },
    {
      # The rotator ends instances by a change of their configuration.
      when = local.deployers_named
      sid  = "OnlyDeployersChangeFunctions"
      actions = [
        "lambda:AddPermission", "lambda:CreateEventSourceMapping", "lambda:CreateFunctionUrlConfig", "lambda:DeleteFunction",
        "lambda:RemovePermission", "lambda:UpdateAlias", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
      ]
      resources = local.all_function_resources
      except    = local.deployers_and_rotator
    },
    {
      when = local.deployers_named
      sid  = "OnlyDeployersChangeRoles"
      actions = [
        "iam:AttachRolePolicy", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PassRole",
        "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy",
      ]
      resources = values(local.role_arns)
      except    = var.deployer_role_arns
    },
    {
      # By its target, the hourly check could be made to ask for something else.
      when      = local.deployers_named
      sid       = "OnlyDeployersChangeTheCheck"
      actions   = ["events:DeleteRule", "events:DisableRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets"]
      resources = ["arn:${local.partition}:events:${var.region}:${local.account_id}:rule/${var.name}-*"]
      except    = var.deployer_role_arns
    },
    ] : merge(
    { Sid = entry.sid, Effect = "Deny", Action = entry.actions, Resource = entry.resources },
    length(entry.except) == 0 ? {} : { Condition = { ArnNotEquals = { "aws:PrincipalArn" = entry.except } } },
  ) if entry.when]

  scp = jsonencode({ Version = "2012-10-17", Statement = local.scp_statements })
}
