# GitHub's tokens for AWS: the provider that they come from, and a role for each thing that workflows do. trust.tf says who
# gets into a role, access.tf what is allowed there.

locals {
  host         = "token.actions.githubusercontent.com"
  provider_arn = "arn:${var.partition}:iam::${var.account_id}:oidc-provider/${local.host}"
  role_names   = { for key, role in var.roles : key => "${var.name}-${key}" }

  # Keyed by place: an ARN may be that of a policy which is not there yet, and then no key could be made of it.
  attachments = merge([
    for key, role in var.roles : { for place, arn in role.managed_policy_arns : "${key}/${place}" => { role = key, arn = arn } }
  ]...)
}

# An account has one provider for a URL. No thumbprints: AWS trusts GitHub's certificates by their authority, and leaves
# the list to itself.
resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_provider ? 1 : 0

  url            = "https://${local.host}"
  client_id_list = [var.audience]
}

# One that is there already is looked at and left alone: it is read here, and nothing of it is written.
data "aws_iam_openid_connect_provider" "github" {
  count = var.create_provider ? 0 : 1

  arn = local.provider_arn

  lifecycle {
    postcondition {
      condition     = contains(self.client_id_list, var.audience)
      error_message = "The provider ${local.provider_arn} takes no tokens for the audience ${var.audience}. Whoever owns it may add that one: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn ${local.provider_arn} --client-id ${var.audience}"
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = var.roles

  name                 = local.role_names[each.key]
  description          = coalesce(each.value.description, "GitHub workflows of ${join(", ", keys(each.value.repositories))}")
  assume_role_policy   = local.trust_policies[each.key]
  max_session_duration = each.value.max_session_duration
  permissions_boundary = each.value.permissions_boundary == null ? var.permissions_boundary : each.value.permissions_boundary

  lifecycle {
    precondition {
      condition     = length(local.trust_policies[each.key]) <= var.trust_policy_quota
      error_message = "The trust policy of the role ${local.role_names[each.key]} has ${length(local.trust_policies[each.key])} characters, and the account's quota is ${var.trust_policy_quota}. Make two roles of it, say `subject = \"immutable\"` where that is what GitHub writes, or have the quota \"Role trust policy length\" raised and say so in trust_policy_quota."
    }
    precondition {
      condition     = length(local.access_policies[each.key]) + length(each.value.inline_policy == null ? "" : jsonencode(jsondecode(each.value.inline_policy))) <= 10240
      error_message = "The inline policies of the role ${local.role_names[each.key]} have more than the 10240 characters that IAM takes: put some of it into managed policies."
    }
  }

  # IAM takes no trust in a provider that is not there.
  depends_on = [aws_iam_openid_connect_provider.github, data.aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "access" {
  for_each = { for key, statements in local.access_statements : key => local.access_policies[key] if length(statements) > 0 }

  name   = "access"
  role   = aws_iam_role.this[each.key].name
  policy = each.value
}

resource "aws_iam_role_policy" "inline" {
  for_each = { for key, role in var.roles : key => role.inline_policy if role.inline_policy != null }

  name   = "inline"
  role   = aws_iam_role.this[each.key].name
  policy = each.value
}

resource "aws_iam_role_policy_attachment" "managed" {
  for_each = local.attachments

  role       = aws_iam_role.this[each.value.role].name
  policy_arn = each.value.arn
}
