# The ring and the key set. Neither has a value here that means anything: the rotator writes the first ring, which is empty,
# and every one after it. So no private key is ever in a plan or a state, and a refresh need not read the secret.

locals {
  readers = [var.issuer_role_arn, var.rotator_role_arn]
}

resource "aws_secretsmanager_secret" "ring" {
  # With a prefix, since a deleted secret keeps its name for as long as it can be brought back.
  name_prefix             = "${var.name}/keys-"
  description             = "The signing keys of ${var.name}. Only its rotator writes here."
  kms_key_id              = one(aws_kms_key.ring[*].arn)
  recovery_window_in_days = var.dangerous_waive_recovery ? 0 : 30
}

# In a policy of the secret, the resource `*` is the secret.
resource "aws_secretsmanager_secret_policy" "ring" {
  secret_arn          = aws_secretsmanager_secret.ring.arn
  block_public_policy = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "OnlyIssuerAndRotatorRead"
          Effect    = "Deny"
          Principal = "*"
          Action    = "secretsmanager:GetSecretValue"
          Resource  = "*"
          Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.readers } }
        },
        {
          Sid       = "OnlyTheRotatorWrites"
          Effect    = "Deny"
          Principal = "*"
          Action    = "secretsmanager:PutSecretValue"
          Resource  = "*"
          Condition = { ArnNotEquals = { "aws:PrincipalArn" = [var.rotator_role_arn] } }
        },
        {
          Sid       = "LabelsAreTheRotators"
          Effect    = "Deny"
          Principal = "*"
          Action    = "secretsmanager:UpdateSecretVersionStage"
          Resource  = "*"
          Condition = { ArnNotEquals = { "aws:PrincipalArn" = concat([var.rotator_role_arn], var.operator_role_arns) } }
        },
        {
          Sid       = "NoCopyElsewhere"
          Effect    = "Deny"
          Principal = "*"
          Action    = "secretsmanager:ReplicateSecretToRegions"
          Resource  = "*"
        },
      ],
      # UpdateSecret can write a value too. It is also how the description or the KMS key changes.
      length(var.deployer_role_arns) == 0 ? [] : [{
        Sid       = "OnlyDeployersUpdate"
        Effect    = "Deny"
        Principal = "*"
        Action    = "secretsmanager:UpdateSecret"
        Resource  = "*"
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.deployer_role_arns } }
      }],
      var.dangerous_waive_recovery ? [] : [{
        Sid       = "NotWithoutRecovery"
        Effect    = "Deny"
        Principal = "*"
        Action    = "secretsmanager:DeleteSecret"
        Resource  = "*"
        Condition = { Bool = { "secretsmanager:ForceDeleteWithoutRecovery" = "true" } }
      }],
    )
  })
}

# Made with the first rotation: Secrets Manager begins one as soon as this is there.
resource "aws_secretsmanager_secret_rotation" "ring" {
  secret_id           = aws_secretsmanager_secret.ring.id
  rotation_lambda_arn = var.rotator_arn
  rotate_immediately  = true

  rotation_rules {
    automatically_after_days = var.rotation_days
  }

  # That rotation is a call of the function and a write of the parameter, and the secret is closed before it holds a key.
  depends_on = [aws_lambda_permission.rotation, aws_ssm_parameter.jwks, aws_secretsmanager_secret_policy.ring]
}

resource "aws_lambda_permission" "rotation" {
  statement_id   = "secrets-manager"
  action         = "lambda:InvokeFunction"
  function_name  = var.rotator_arn
  principal      = "secretsmanager.amazonaws.com"
  source_arn     = aws_secretsmanager_secret.ring.arn
  source_account = var.account_id
}

resource "aws_ssm_parameter" "jwks" {
  name           = "/${var.name}/jwks"
  description    = "The public keys of ${var.name}, as they are served. Only its rotator writes here."
  type           = "String"
  tier           = "Intelligent-Tiering"
  insecure_value = jsonencode({ keys = [] })

  lifecycle {
    # The value is the rotator's from here on.
    ignore_changes = [insecure_value, value, tier]
  }
}

# The secret's own key. Whoever administers the account can schedule its end or change this policy, which is noticed, and
# can decrypt nothing with it.
resource "aws_kms_key" "ring" {
  count = var.customer_managed_key ? 1 : 0

  description             = "Encrypts the signing keys of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = var.dangerous_waive_recovery ? 7 : 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Administration"
        Effect    = "Allow"
        Principal = { AWS = local.account }
        Resource  = "*"
        Action = [
          "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
          "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy",
          "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy",
          "kms:RevokeGrant", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias",
          "kms:UpdateKeyDescription",
        ]
      },
      {
        Sid       = "IssuerAndRotatorDecryptTheRing"
        Effect    = "Allow"
        Principal = { AWS = local.account }
        Resource  = "*"
        Action    = "kms:Decrypt"
        Condition = {
          ArnEquals    = { "aws:PrincipalArn" = local.readers }
          StringEquals = { "kms:ViaService" = local.via }
          StringLike   = { "kms:EncryptionContext:SecretARN" = local.ring_arn_like }
        }
      },
      {
        Sid       = "TheRotatorEncryptsTheRing"
        Effect    = "Allow"
        Principal = { AWS = local.account }
        Resource  = "*"
        Action    = "kms:GenerateDataKey"
        Condition = {
          ArnEquals    = { "aws:PrincipalArn" = [var.rotator_role_arn] }
          StringEquals = { "kms:ViaService" = local.via }
          StringLike   = { "kms:EncryptionContext:SecretARN" = local.ring_arn_like }
        }
      },
      {
        # When a key is given to a secret, Secrets Manager tries on behalf of whoever gives it whether they may use it, and
        # says so in the context ("Secret encryption and decryption", AWS Secrets Manager User Guide).
        Sid       = "TheTrialOfWhoeverMakesTheSecret"
        Effect    = "Allow"
        Principal = { AWS = local.account }
        Resource  = "*"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Condition = {
          StringEquals = {
            "kms:ViaService"                        = local.via
            "kms:EncryptionContext:SecretVersionId" = "RequestToValidateKeyAccess"
          }
        }
      },
    ]
  })
}

resource "aws_kms_alias" "ring" {
  count = var.customer_managed_key ? 1 : 0

  name          = "alias/${var.name}-keys"
  target_key_id = aws_kms_key.ring[0].key_id
}

locals {
  account = "arn:${var.partition}:iam::${var.account_id}:root"
  via = concat(
    ["secretsmanager.${var.region}.amazonaws.com"],
    var.partition == "aws-cn" ? ["secretsmanager.${var.region}.amazonaws.com.cn"] : [],
  )
  ring_arn_like = "arn:${var.partition}:secretsmanager:${var.region}:${var.account_id}:secret:${var.name}/keys-*"
}
