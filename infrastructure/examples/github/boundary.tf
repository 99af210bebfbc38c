# Beyond this no role of a workflow reaches, whatever is attached to it one day: it allows everything, so that the roles' own
# policies decide, and takes out what no workflow needs.

resource "aws_iam_policy" "boundary" {
  # checkov:skip=CKV_AWS_62: a boundary grants nothing
  # checkov:skip=CKV_AWS_63: the same
  # checkov:skip=CKV_AWS_286: the same
  # checkov:skip=CKV_AWS_287: the same
  # checkov:skip=CKV_AWS_288: the same
  # checkov:skip=CKV_AWS_289: the same
  # checkov:skip=CKV_AWS_290: the same
  # checkov:skip=CKV_AWS_355: the same
  # checkov:skip=CKV2_AWS_40: the same

  name        = "${local.roles}-boundary"
  description = "What roles of GitHub workflows can reach at most"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "OwnPoliciesDecide", Effect = "Allow", Action = "*", Resource = "*" },
      {
        Sid    = "NotThemselves"
        Effect = "Deny"
        NotAction = [
          "iam:GetOpenIDConnectProvider", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies", "iam:ListPolicyVersions", "iam:ListRolePolicies",
        ]
        Resource = [
          "arn:${local.partition}:iam::${local.account_id}:role/${local.roles}-*",
          "arn:${local.partition}:iam::${local.account_id}:policy/${local.roles}-*",
          "arn:${local.partition}:iam::${local.account_id}:oidc-provider/*",
        ]
      },
      {
        Sid    = "NoOtherIdentity"
        Effect = "Deny"
        Action = [
          "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateOpenIDConnectProvider", "iam:CreateSAMLProvider",
          "iam:CreateUser", "iam:UpdateLoginProfile", "sts:AssumeRole", "sts:GetFederationToken",
        ]
        Resource = "*"
      },
      {
        Sid      = "NoSigningKeys"
        Effect   = "Deny"
        Action   = ["kms:Sign", "secretsmanager:BatchGetSecretValue"]
        Resource = "*"
      },
      {
        Sid      = "NotTheRing"
        Effect   = "Deny"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
        Resource = "arn:${local.partition}:secretsmanager:*:${local.account_id}:secret:${var.name}/keys-*"
      },
      {
        Sid      = "NotTheOrganisation"
        Effect   = "Deny"
        Action   = ["account:*", "organizations:*"]
        Resource = "*"
      },
    ]
  })
}
