# What a role may do, by whole names of actions and on what it was given by name.

locals {
  access_statements = {
    for key, role in var.roles : key => concat(
      length(role.lambda_functions) == 0 ? [] : [{
        Sid    = "DeployFunctions"
        Effect = "Allow"
        # The last two are what `aws lambda wait` and a look at what runs ask for.
        Action = ["lambda:UpdateFunctionCode", "lambda:PublishVersion", "lambda:UpdateAlias", "lambda:GetFunction", "lambda:GetFunctionConfiguration"]
        # The second one is a version or an alias of the same function.
        Resource = flatten([for arn in role.lambda_functions : [arn, "${arn}:*"]])
      }],
      flatten([
        for place, prefix in role.s3_prefixes : [
          for statement in [
            {
              when      = true
              name      = "List"
              actions   = ["s3:ListBucket"]
              resource  = "arn:${var.partition}:s3:::${prefix.bucket}"
              condition = { StringLike = { "s3:prefix" = "${prefix.prefix}*" } }
            },
            {
              when      = true
              name      = "Read"
              actions   = ["s3:GetObject"]
              resource  = "arn:${var.partition}:s3:::${prefix.bucket}/${prefix.prefix}*"
              condition = {}
            },
            {
              when      = prefix.write
              name      = "Write"
              actions   = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
              resource  = "arn:${var.partition}:s3:::${prefix.bucket}/${prefix.prefix}*"
              condition = {}
            },
            {
              when      = prefix.delete
              name      = "Delete"
              actions   = ["s3:DeleteObject"]
              resource  = "arn:${var.partition}:s3:::${prefix.bucket}/${prefix.prefix}*"
              condition = {}
            },
            ] : {
            Sid      = "${statement.name}Prefix${place + 1}"
            Effect   = "Allow"
            Action   = statement.actions
            Resource = statement.resource
            # Whoever makes the bucket anew after it was deleted is somebody else.
            Condition = merge(statement.condition, { StringEquals = { "aws:ResourceAccount" = coalesce(prefix.account_id, var.account_id) } })
          } if statement.when
        ]
      ]),
      [
        for place, pass in role.pass_roles : {
          Sid       = "PassRoles${place + 1}"
          Effect    = "Allow"
          Action    = "iam:PassRole"
          Resource  = pass.role_arns
          Condition = { StringEquals = { "iam:PassedToService" = pass.service } }
        }
      ],
    )
  }

  access_policies = {
    for key, statements in local.access_statements : key => length(statements) == 0 ? "" : jsonencode({ Version = "2012-10-17", Statement = statements })
  }
}
