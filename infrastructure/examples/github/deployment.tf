# What a deployer needs (docs/operate.md), as a table: what plans read, what applies write besides, and on what. Actions by
# their whole names, resources by the deployment's name where AWS lets them have one before they are made.
#
# Which actions those are was taken from the provider's own log of an apply, a second plan and a destroy with everything on.

locals {
  in_region = "${var.region}:${local.account_id}"
  functions = [for f in ["jwt-issuer", "jwks", "key-rotator"] : "${var.name}-${f}"]
  zone      = var.zone_id == null ? [] : [var.zone_id]

  function_arns = flatten([for f in local.functions : [for end in ["", ":*"] : "arn:${local.partition}:lambda:${local.in_region}:function:${f}${end}"]])
  rotator_arn   = "arn:${local.partition}:lambda:${local.in_region}:function:${var.name}-key-rotator"
  role_arns     = [for f in concat(local.functions, ["${var.name}-apigateway-logs"]) : "arn:${local.partition}:iam::${local.account_id}:role/${f}"]
  log_arns = flatten([
    for group in concat([for f in local.functions : "/aws/lambda/${f}"], ["/aws/apigateway/${var.name}", "aws-waf-logs-${var.name}"]) :
    [for end in ["", ":*"] : "arn:${local.partition}:logs:${local.in_region}:log-group:${group}${end}"]
  ])
  state_object = "arn:${local.partition}:s3:::${var.state.bucket}/${var.state.key}"

  # Keys of KMS have no name. Those of this deployment bear its tags.
  tagged      = { StringEquals = { "aws:ResourceTag/deployment" = var.name } }
  tag_on_make = { StringEquals = { "aws:RequestTag/deployment" = var.name } }

  table = {
    Api = {
      # API Gateway has verbs for actions, and ids that nobody chooses.
      reads     = ["apigateway:GET"]
      writes    = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT", "apigateway:SetWebACL", "apigateway:UpdateRestApiPolicy"]
      resources = [for path in ["/account", "/domainnames", "/domainnames/*", "/restapis", "/restapis/*", "/tags/*"] : "arn:${local.partition}:apigateway:${var.region}::${path}"]
    }
    Functions = {
      reads = [
        "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration",
        "lambda:GetPolicy", "lambda:GetProvisionedConcurrencyConfig", "lambda:ListTags", "lambda:ListVersionsByFunction",
      ]
      writes = [
        "lambda:AddPermission", "lambda:CreateAlias", "lambda:CreateFunction", "lambda:DeleteAlias", "lambda:DeleteFunction",
        "lambda:DeleteFunctionConcurrency", "lambda:DeleteProvisionedConcurrencyConfig", "lambda:PublishVersion", "lambda:PutFunctionConcurrency",
        "lambda:PutProvisionedConcurrencyConfig", "lambda:RemovePermission", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateAlias",
        "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
      ]
      resources = local.function_arns
    }
    # Whoever sets up a rotation needs this besides RotateSecret.
    Rotator = { reads = [], writes = ["lambda:InvokeFunction"], resources = [local.rotator_arn] }
    Roles = {
      reads = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:ListRoleTags"]
      writes = [
        "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole", "iam:UpdateRoleDescription",
      ]
      resources = local.role_arns
    }
    LogRole = {
      reads     = []
      writes    = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
      resources = ["arn:${local.partition}:iam::${local.account_id}:role/${var.name}-apigateway-logs"]
      condition = { ArnEquals = { "iam:PolicyARN" = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs" } }
    }
    # Made by AWS with an account's first domain, and its first log of WAF.
    ServiceRoles = {
      reads     = []
      writes    = ["iam:CreateServiceLinkedRole"]
      resources = ["arn:${local.partition}:iam::${local.account_id}:role/aws-service-role/*"]
      condition = { StringEquals = { "iam:AWSServiceName" = ["ops.apigateway.amazonaws.com", "wafv2.amazonaws.com"] } }
    }
    # Its value is not among them: the ring's own policy refuses it too.
    Ring = {
      reads = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"]
      writes = [
        "secretsmanager:CancelRotateSecret", "secretsmanager:CreateSecret", "secretsmanager:DeleteResourcePolicy", "secretsmanager:DeleteSecret",
        "secretsmanager:PutResourcePolicy", "secretsmanager:RotateSecret", "secretsmanager:TagResource", "secretsmanager:UntagResource",
        "secretsmanager:UpdateSecret", "secretsmanager:ValidateResourcePolicy",
      ]
      resources = ["arn:${local.partition}:secretsmanager:${local.in_region}:secret:${var.name}/*"]
    }
    # A policy above 8 KiB is a secret, and nothing secret.
    LargePolicy = {
      reads     = ["secretsmanager:GetSecretValue"]
      writes    = ["secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
      resources = ["arn:${local.partition}:secretsmanager:${local.in_region}:secret:${var.name}/policy-*"]
    }
    Parameters = {
      reads     = ["ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
      writes    = ["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter", "ssm:RemoveTagsFromResource"]
      resources = [for p in ["jwks", "policy"] : "arn:${local.partition}:ssm:${local.in_region}:parameter/${var.name}/${p}"]
    }
    Alarms = {
      reads     = ["cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"]
      writes    = ["cloudwatch:DeleteAlarms", "cloudwatch:DeleteDashboards", "cloudwatch:PutCompositeAlarm", "cloudwatch:PutDashboard", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
      resources = ["arn:${local.partition}:cloudwatch:${local.in_region}:alarm:${var.name}-*", "arn:${local.partition}:cloudwatch::${local.account_id}:dashboard/${var.name}"]
    }
    Logs = {
      reads     = ["logs:ListTagsForResource"]
      writes    = ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteRetentionPolicy", "logs:DisassociateKmsKey", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource"]
      resources = local.log_arns
    }
    Rules = {
      reads     = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]
      writes    = ["events:DeleteRule", "events:DisableRule", "events:EnableRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource"]
      resources = ["arn:${local.partition}:events:${local.in_region}:rule/${var.name}-*"]
    }
    Topic = {
      reads     = ["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"]
      writes    = ["sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:UntagResource"]
      resources = ["arn:${local.partition}:sns:${local.in_region}:${var.name}-alarms"]
    }
    # These have no resource, or none with a name before it is made.
    Unnamed = {
      reads = ["cloudwatch:DescribeAlarms", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies", "sns:GetSubscriptionAttributes", "ssm:DescribeParameters"]
      writes = [
        "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
        "sns:SetSubscriptionAttributes", "sns:Unsubscribe",
      ]
      resources = ["*"]
    }
    Waf = {
      reads  = ["wafv2:GetLoggingConfiguration", "wafv2:GetWebACL", "wafv2:GetWebACLForResource", "wafv2:ListTagsForResource"]
      writes = ["wafv2:AssociateWebACL", "wafv2:CreateWebACL", "wafv2:DeleteLoggingConfiguration", "wafv2:DeleteWebACL", "wafv2:DisassociateWebACL", "wafv2:PutLoggingConfiguration", "wafv2:TagResource", "wafv2:UntagResource", "wafv2:UpdateWebACL"]
      resources = [
        "arn:${local.partition}:wafv2:${local.in_region}:regional/webacl/${var.name}/*", "arn:${local.partition}:wafv2:${local.in_region}:regional/managedruleset/*/*",
        "arn:${local.partition}:apigateway:${var.region}::/restapis/*/stages/*",
      ]
    }
    Certificate = {
      when      = var.zone_id != null
      reads     = ["acm:DescribeCertificate", "acm:ListTagsForCertificate"]
      writes    = ["acm:AddTagsToCertificate", "acm:DeleteCertificate", "acm:RemoveTagsFromCertificate", "acm:RequestCertificate"]
      resources = ["arn:${local.partition}:acm:${local.in_region}:certificate/*"]
    }
    Dns = {
      when      = var.zone_id != null
      reads     = ["route53:GetHostedZone", "route53:ListResourceRecordSets"]
      writes    = ["route53:ChangeResourceRecordSets"]
      resources = [for zone in local.zone : "arn:${local.partition}:route53:::hostedzone/${zone}"]
    }
    DnsChange = {
      when      = var.zone_id != null
      reads     = ["route53:GetChange"]
      writes    = []
      resources = ["arn:${local.partition}:route53:::change/*"]
    }
    MakeKey = {
      when      = var.customer_managed_key
      reads     = []
      writes    = ["kms:CreateKey"]
      resources = ["*"]
      condition = local.tag_on_make
    }
    Key = {
      when      = var.customer_managed_key
      reads     = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
      writes    = ["kms:CreateAlias", "kms:DeleteAlias", "kms:EnableKeyRotation", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription"]
      resources = ["arn:${local.partition}:kms:${local.in_region}:key/*"]
      condition = local.tagged
    }
    # A key is tagged while it is made. Nothing tells that from a key of somebody else's that bears no tags yet.
    TagKey = {
      when      = var.customer_managed_key
      reads     = []
      writes    = ["kms:TagResource"]
      resources = ["arn:${local.partition}:kms:${local.in_region}:key/*"]
      condition = { StringEquals = local.tag_on_make.StringEquals, StringEqualsIfExists = local.tagged.StringEquals }
    }
    Alias = {
      when      = var.customer_managed_key
      reads     = []
      writes    = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
      resources = ["arn:${local.partition}:kms:${local.in_region}:alias/${var.name}-keys"]
    }
    Aliases = {
      when      = var.customer_managed_key
      reads     = ["kms:ListAliases"]
      writes    = []
      resources = ["*"]
    }
    Images = {
      when      = var.images
      reads     = ["ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy", "ecr:ListTagsForResource"]
      writes    = ["ecr:CreateRepository", "ecr:DeleteLifecyclePolicy", "ecr:DeleteRepository", "ecr:DeleteRepositoryPolicy", "ecr:PutImageScanningConfiguration", "ecr:PutImageTagMutability", "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy", "ecr:TagResource", "ecr:UntagResource"]
      resources = local.repository_arns
    }
    State = {
      reads     = ["s3:GetObject"]
      writes    = ["s3:PutObject"]
      resources = [local.state_object]
    }
    StateLock = {
      reads     = []
      writes    = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      resources = ["${local.state_object}.tflock"]
    }
    StateList = {
      reads     = ["s3:ListBucket"]
      writes    = []
      resources = ["arn:${local.partition}:s3:::${var.state.bucket}"]
      condition = { StringLike = { "s3:prefix" = ["${var.state.key}*", "env:/"] } }
    }
    StateKey = {
      when      = var.state.kms_key_arn != null
      reads     = ["kms:Decrypt"]
      writes    = ["kms:GenerateDataKey"]
      resources = [for arn in [var.state.kms_key_arn] : arn if arn != null]
    }
  }

  statements = {
    for use in ["plan", "apply"] : use => {
      for sid, row in local.table : sid => merge(
        {
          Sid      = sid
          Effect   = "Allow"
          Action   = use == "plan" ? row.reads : concat(row.reads, row.writes)
          Resource = row.resources
        },
        try({ Condition = row.condition }, {}),
      ) if try(row.when, true) && (use == "apply" || length(row.reads) > 0)
    }
  }

  # A managed policy has 6,144 characters at most, and either use has more.
  of_functions = ["Api", "Functions", "Rotator", "Roles", "LogRole", "ServiceRoles", "Ring", "LargePolicy", "Parameters", "State", "StateLock", "StateList", "StateKey"]
  policies = merge([
    for use, statements in local.statements : {
      "${use}-functions" = [for sid, statement in statements : statement if contains(local.of_functions, sid)]
      "${use}-others"    = [for sid, statement in statements : statement if !contains(local.of_functions, sid)]
    }
  ]...)

  pass_roles = [
    { service = "lambda.amazonaws.com", role_arns = slice(local.role_arns, 0, 3) },
    { service = "apigateway.amazonaws.com", role_arns = slice(local.role_arns, 3, 4) },
  ]

  repository_arns = [for f in ["jwt-issuer", "jwks", "key-rotator"] : "arn:${local.partition}:ecr:${local.in_region}:repository/${var.name}/${f}"]

  push_statements = [
    {
      Sid      = "Login"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = "*"
    },
    {
      # The first three look whether a tag is there already: tags are for ever.
      Sid    = "PushImages"
      Effect = "Allow"
      Action = [
        "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload",
        "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
      ]
      Resource = local.repository_arns
    },
  ]
}

resource "aws_iam_policy" "deployment" {
  # checkov:skip=CKV_AWS_355: what has `*` has no resource, or a condition that says whose it is
  # checkov:skip=CKV_AWS_290: the same
  # checkov:skip=CKV_AWS_289: whoever deploys makes the functions' roles; which ones is said by name
  # checkov:skip=CKV_AWS_287: the state holds no key
  # checkov:skip=CKV_AWS_286: see docs/github.md, what the role for applies can become

  for_each = local.policies

  name        = "${local.roles}-${each.key}"
  description = "For the role of the same use"
  policy      = jsonencode({ Version = "2012-10-17", Statement = each.value })

  lifecycle {
    precondition {
      condition     = length(jsonencode({ Version = "2012-10-17", Statement = each.value })) <= 6144
      error_message = "The policy ${local.roles}-${each.key} is longer than the 6144 characters that IAM takes: take a shorter name for the deployment, or leave out what it does not use (images, customer_managed_key, zone_id)."
    }
  }
}
