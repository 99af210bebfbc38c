output "role_arns" {
  description = "ARN of each role, by its key: what a workflow says as `role-to-assume`."
  value       = { for key, role in aws_iam_role.this : key => role.arn }
}

output "provider_arn" {
  description = "ARN of GitHub's provider in IAM."
  value       = local.provider_arn
}

output "trust_policies" {
  description = "Who gets in, by role, as JSON: for tests, and for `countersign trust lint`."
  value       = local.trust_policies
}

output "access_policies" {
  description = "What the module itself lets each role do, by role, as JSON; empty where that is nothing."
  value       = local.access_policies
}

output "inline_policies" {
  description = "What the roles were given as inline_policy, by role: for tests."
  value       = { for key, policy in aws_iam_role_policy.inline : key => policy.policy }
}

output "permissions_boundaries" {
  description = "The boundary of each role, by role: for tests."
  value       = { for key, role in aws_iam_role.this : key => role.permissions_boundary }
}
