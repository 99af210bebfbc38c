# Service control policies for the organisation: what no policy inside an account can hold against that account's own
# administrators. They are outputs, since the organisation is another account's to administer. `scp` says who may use what,
# `scp_deployment` that only deployers change what was deployed. There are two because AWS Organizations takes 5,120 characters
# for each. Statements that would lock everybody out are left away as long as the roles are not named that they except.

locals {
  deployers_named = length(var.deployer_role_arns) > 0
  operators_named = length(var.operator_role_arns) > 0

  ring_roles             = [local.role_arns.jwt_issuer, local.role_arns.key_rotator]
  deployers_and_rotator  = concat([local.role_arns.key_rotator], var.deployer_role_arns)
  operators_and_rotator  = concat([local.role_arns.key_rotator], var.operator_role_arns)
  all_function_resources = flatten([for arn in values(local.function_arns) : [arn, "${arn}:*"]])
  in_account             = "${var.region}:${local.account_id}"

  # Those of the ring, which bear its ARN in a tag.
  ring_keys = { StringEquals = { "aws:ResourceTag/countersign:secret" = module.keys.secret_arn } }

  # API Gateway, Secrets Manager and EventBridge invoke functions as services, which no service control policy concerns.
  scp_entries = [
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
      # RotateSecret, with which the schedule is made, asks for the same permission.
      when      = local.operators_named
      sid       = "OnlyOperatorsAskTheRotator"
      actions   = ["lambda:InvokeAsync", "lambda:InvokeFunction", "lambda:InvokeFunctionUrl"]
      resources = [local.function_arns.key_rotator, "${local.function_arns.key_rotator}:*"]
      except    = concat(var.operator_role_arns, var.deployer_role_arns)
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
      when      = true
      sid       = "LabelsAreTheRotators"
      actions   = ["secretsmanager:UpdateSecretVersionStage"]
      resources = [module.keys.secret_arn]
      except    = local.operators_and_rotator
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
      when      = local.kms
      sid       = "OnlyTheIssuerSigns"
      actions   = ["kms:Sign"]
      resources = [local.kms_keys]
      except    = [local.role_arns.jwt_issuer]
      condition = local.ring_keys
    },
    {
      when      = local.kms
      sid       = "SigningKeysAreTheRotators"
      actions   = ["kms:CreateGrant", "kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]
      resources = [local.kms_keys]
      except    = local.operators_and_rotator
      condition = local.ring_keys
    },
  ]

  scp_deployment_entries = [
    {
      sid     = "Api"
      actions = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT", "apigateway:UpdateRestApiPolicy"]
      resources = concat(
        ["arn:${local.partition}:apigateway:${var.region}::/restapis/${module.api.id}", "arn:${local.partition}:apigateway:${var.region}::/restapis/${module.api.id}/*"],
        local.own_domain ? ["arn:${local.partition}:apigateway:${var.region}::/domainnames/${var.domain_name}", "arn:${local.partition}:apigateway:${var.region}::/domainnames/${var.domain_name}/*"] : [],
      )
      except = var.deployer_role_arns
    },
    {
      # The rotator ends instances by a change of their configuration.
      sid = "Functions"
      actions = [
        "lambda:AddPermission", "lambda:CreateAlias", "lambda:CreateFunctionUrlConfig", "lambda:DeleteFunction",
        "lambda:DeleteFunctionConcurrency", "lambda:PublishVersion", "lambda:PutFunctionConcurrency", "lambda:RemovePermission",
        "lambda:UpdateAlias", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionUrlConfig",
      ]
      resources = local.all_function_resources
      except    = local.deployers_and_rotator
    },
    {
      sid = "Roles"
      actions = [
        "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
        "iam:PassRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy",
      ]
      resources = values(local.role_arns)
      except    = var.deployer_role_arns
    },
    {
      sid = "SecretsAndThePolicy"
      actions = [
        "secretsmanager:CancelRotateSecret", "secretsmanager:DeleteResourcePolicy", "secretsmanager:DeleteSecret",
        "secretsmanager:PutResourcePolicy", "secretsmanager:RotateSecret", "secretsmanager:UpdateSecret",
        "ssm:DeleteParameter", "ssm:DeleteParameters", "ssm:LabelParameterVersion", "ssm:PutParameter",
      ]
      resources = [module.keys.secret_arn, module.policy.arn]
      except    = var.deployer_role_arns
    },
    {
      # By its target, the hourly check could be made to ask for something else.
      sid = "Watch"
      actions = [
        "cloudwatch:DeleteAlarms", "cloudwatch:DisableAlarmActions", "cloudwatch:PutMetricAlarm",
        "events:DeleteRule", "events:DisableRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets",
        "logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:PutRetentionPolicy",
        "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Unsubscribe",
        "wafv2:DeleteWebACL", "wafv2:DisassociateWebACL", "wafv2:UpdateWebACL",
      ]
      resources = concat(
        [
          "arn:${local.partition}:cloudwatch:${local.in_account}:alarm:${var.name}-*",
          "arn:${local.partition}:events:${local.in_account}:rule/${var.name}-*",
          "arn:${local.partition}:logs:${local.in_account}:log-group:/aws/lambda/${var.name}-*",
          "arn:${local.partition}:logs:${local.in_account}:log-group:/aws/apigateway/${var.name}*",
          "arn:${local.partition}:sns:${local.in_account}:${var.name}-alarms",
        ],
        module.waf[*].web_acl_arn,
      )
      except = var.deployer_role_arns
    },
  ]

  scp            = jsonencode({ Version = "2012-10-17", Statement = local.scp_statements })
  scp_deployment = local.deployers_named ? jsonencode({ Version = "2012-10-17", Statement = local.scp_deployment_statements }) : null

  scp_statements = [for entry in local.scp_entries : merge(
    { Sid = entry.sid, Effect = "Deny", Action = entry.actions, Resource = entry.resources },
    length(entry.except) == 0 ? {} : { Condition = merge(
      { ArnNotEquals = { "aws:PrincipalArn" = entry.except } },
      try(entry.condition, {}),
    ) },
  ) if entry.when]
  scp_deployment_statements = [for entry in local.scp_deployment_entries : {
    Sid       = "OnlyDeployersChange${entry.sid}"
    Effect    = "Deny"
    Action    = entry.actions
    Resource  = entry.resources
    Condition = { ArnNotEquals = { "aws:PrincipalArn" = entry.except } }
  }]
}
