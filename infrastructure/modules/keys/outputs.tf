output "secret_arn" {
  description = "ARN of the secret that holds the ring."
  value       = aws_secretsmanager_secret.ring.arn
}

output "jwks_parameter" {
  description = "Name of the parameter that holds the public keys."
  value       = aws_ssm_parameter.jwks.name
}

output "jwks_parameter_arn" {
  description = "ARN of that parameter."
  value       = aws_ssm_parameter.jwks.arn
}

output "kms_key_arn" {
  description = "The key that encrypts the ring, or null for that of Secrets Manager."
  value       = one(aws_kms_key.ring[*].arn)
}

output "rotation" {
  description = "Something that is there when the first rotation has been asked for."
  value       = aws_secretsmanager_secret_rotation.ring.id
}

output "secret_policy" {
  description = "The secret's own policy."
  value       = aws_secretsmanager_secret_policy.ring.policy
}

output "rotation_permission" {
  description = "Who may invoke the rotator for a rotation."
  value       = { for key in ["principal", "source_arn", "source_account"] : key => aws_lambda_permission.rotation[key] }
}

output "recovery_window_in_days" {
  description = "For how long a deleted ring can be brought back."
  value       = aws_secretsmanager_secret.ring.recovery_window_in_days
}

output "key_policy" {
  description = "The policy of the KMS key, or null."
  value       = one(aws_kms_key.ring[*].policy)
}
