output "id" {
  description = "Id of the API, which the functions believe and no other."
  value       = aws_api_gateway_rest_api.this.id
}

output "execution_arn" {
  description = "What permissions to invoke begin with."
  value       = aws_api_gateway_rest_api.this.execution_arn
}

output "stage_name" {
  description = "Name of the stage."
  value       = aws_api_gateway_stage.this.stage_name
}

output "stage_arn" {
  description = "ARN of the stage, for a web ACL."
  value       = aws_api_gateway_stage.this.arn
}

output "token_arn" {
  description = "ARN of `POST /token`, for `execute-api:Invoke`."
  value       = local.token_arn
}

output "access_log_group_name" {
  description = "Where the access log is."
  value       = aws_cloudwatch_log_group.access.name
}

output "methods" {
  description = "Who is asked what: the authorization of each route."
  value       = merge({ "POST /token" = aws_api_gateway_method.token.authorization }, { for route, method in aws_api_gateway_method.public : route => method.authorization })
}

output "resource_policy" {
  description = "The API's own policy."
  value       = aws_api_gateway_rest_api_policy.this.policy
}

output "logs_role_arn" {
  description = "The role with which API Gateway writes logs in this account and region, if it is set here."
  value       = one(aws_iam_role.logs[*].arn)
}

output "deployment_id" {
  description = "Another one with each change that is deployed."
  value       = aws_api_gateway_deployment.this.id
}
