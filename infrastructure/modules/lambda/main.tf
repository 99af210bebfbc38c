# One function, the role that it alone has, and the log group that it alone writes to.

locals {
  actions = distinct(flatten([for s in var.statements : s.actions]))
  log     = ["logs:CreateLogStream", "logs:PutLogEvents"]

  # What AWS does as this role with its own keys, aws/lambda and aws/secretsmanager: it decrypts the function's variables at
  # each start, and what a secret holds. The policies of those keys allow it, and a denial here would end every start. The
  # role is not allowed it with any other key unless a statement says so.
  by_aws = [
    "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo",
  ]
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "What the function ${var.name} may do"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "this-and-nothing-else"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for s in var.statements : merge(
        { Effect = "Allow", Action = s.actions, Resource = s.resources },
        s.condition == null ? {} : { Condition = s.condition },
      )],
      [
        { Effect = "Allow", Action = local.log, Resource = ["${aws_cloudwatch_log_group.this.arn}:*"] },
        # Whatever another policy of this role should allow one day, it stays forbidden.
        { Sid = "NothingElse", Effect = "Deny", NotAction = distinct(concat(local.actions, local.log, local.by_aws)), Resource = "*" },
      ],
    )
  })
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  package_type     = var.package.type
  filename         = var.package.file
  source_code_hash = var.package.file == null ? null : (fileexists(var.package.file) ? filebase64sha256(var.package.file) : null)
  image_uri        = var.package.image_uri
  runtime          = var.package.type == "Zip" ? "provided.al2023" : null
  handler          = var.package.type == "Zip" ? "bootstrap" : null
  architectures    = [var.architecture]

  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  publish                        = var.provisioned_concurrency > 0

  environment {
    variables = var.environment
  }

  # At any other level than INFO Lambda itself would drop the records, which have no level of their own.
  logging_config {
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "INFO"
    log_group             = aws_cloudwatch_log_group.this.name
  }

  lifecycle {
    # The rotator writes this one when a key is revoked, so that the instances end.
    ignore_changes = [environment[0].variables["KEYS_REVOKED_AT"]]

    precondition {
      condition     = var.package.file == null ? true : fileexists(var.package.file)
      error_message = "There is no ${coalesce(var.package.file, "package")}: `task package -- ${var.architecture}` makes it (scripts/package ${var.architecture}), or unpack the zips of a release there."
    }
  }

  # A function that starts before it may write its log loses its first lines.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_lambda_alias" "live" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  name             = "live"
  description      = "What is invoked"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version

  lifecycle {
    # A function that is made anew, for images in place of zips, has no alias any more.
    replace_triggered_by = [aws_lambda_function.this.arn]
  }
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live[0].name
  provisioned_concurrent_executions = var.provisioned_concurrency

  lifecycle {
    replace_triggered_by = [aws_lambda_function.this.arn]
  }
}
