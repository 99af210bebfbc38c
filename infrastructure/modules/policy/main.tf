# Who may have which token, where the issuer reads it: a parameter, or above 8 KiB a secret, which holds nothing secret then
# and may be 64 KiB. It is checked before it is written, in the very form in which it is written.

locals {
  json = jsonencode(yamldecode(file(var.file)))
  # In bytes: length() counts characters.
  bytes    = length(base64encode(local.json)) / 4 * 3 - length(regexall("=", substr(base64encode(local.json), -2, 2)))
  is_large = local.bytes > 8192
}

resource "terraform_data" "checked" {
  triggers_replace = [sha256(local.json)]

  lifecycle {
    precondition {
      condition     = local.bytes <= 65536
      error_message = "The policy is ${local.bytes} bytes as JSON, and 65536 is the most that it may be."
    }
  }

  provisioner "local-exec" {
    command     = "${path.module}/check.sh"
    interpreter = ["/bin/sh"]
    environment = {
      POLICY_FILE = abspath(var.file)
      POLICY_JSON = local.json
    }
  }
}

resource "aws_ssm_parameter" "policy" {
  count = local.is_large ? 0 : 1

  name           = "/${var.name}/policy"
  description    = "Who may have which token of ${var.name}. Worth as much as its keys."
  type           = "String"
  tier           = "Intelligent-Tiering"
  insecure_value = local.json

  depends_on = [terraform_data.checked]
}

resource "aws_secretsmanager_secret" "policy" {
  count = local.is_large ? 1 : 0

  name_prefix             = "${var.name}/policy-"
  description             = "Who may have which token of ${var.name}. Not secret, and worth as much as its keys."
  recovery_window_in_days = 7
}

resource "aws_secretsmanager_secret_version" "policy" {
  count = local.is_large ? 1 : 0

  secret_id     = aws_secretsmanager_secret.policy[0].id
  secret_string = local.json

  depends_on = [terraform_data.checked]
}

resource "aws_secretsmanager_secret_policy" "policy" {
  count = local.is_large && length(var.writer_role_arns) > 0 ? 1 : 0

  secret_arn          = aws_secretsmanager_secret.policy[0].arn
  block_public_policy = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyDeployersWrite"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret", "secretsmanager:UpdateSecretVersionStage"]
      Resource  = "*"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.writer_role_arns } }
    }]
  })
}
