output "arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.this.arn
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "invoke_arn" {
  description = "What an integration of API Gateway names: the alias `live` if instances are kept ready, else the function."
  value       = try(aws_lambda_alias.live[0].invoke_arn, aws_lambda_function.this.invoke_arn)
}

output "qualifier" {
  description = "The alias that a permission to invoke belongs to, or null."
  value       = try(aws_lambda_alias.live[0].name, null)
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "log_group_name" {
  description = "Where the function's log and audit record are."
  value       = aws_cloudwatch_log_group.this.name
}

output "policy" {
  description = "What the role may do."
  value       = aws_iam_role_policy.this.policy
}

output "trust" {
  description = "Who may take the role."
  value       = aws_iam_role.this.assume_role_policy
}

output "environment" {
  description = "The function's variables."
  value       = aws_lambda_function.this.environment[0].variables
}

output "reserved_concurrency" {
  description = "How many may run at once."
  value       = aws_lambda_function.this.reserved_concurrent_executions
}

output "package_file" {
  description = "The zip that is deployed, or null."
  value       = aws_lambda_function.this.filename
}

output "package" {
  description = "What runs: the hash of the zip, or the image."
  value       = coalesce(aws_lambda_function.this.image_uri, aws_lambda_function.this.source_code_hash, "none")
}
