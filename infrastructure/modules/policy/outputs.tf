output "source" {
  description = "What the issuer's POLICY_SOURCE says."
  value       = local.is_large ? "secret:${one(aws_secretsmanager_secret.policy[*].arn)}" : "ssm:${one(aws_ssm_parameter.policy[*].name)}"
}

output "kind" {
  description = "`ssm` or `secret`."
  value       = local.is_large ? "secret" : "ssm"
}

output "name" {
  description = "Name of the parameter, or null."
  value       = one(aws_ssm_parameter.policy[*].name)
}

output "arn" {
  description = "ARN of the parameter or secret."
  value       = local.is_large ? one(aws_secretsmanager_secret.policy[*].arn) : one(aws_ssm_parameter.policy[*].arn)
}

output "document" {
  description = "The policy, decoded."
  value       = yamldecode(file(var.file))
}
