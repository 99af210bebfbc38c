output "repository_urls" {
  description = "What an image's address begins with, by function: URL:TAG."
  value       = { for function, repository in aws_ecr_repository.this : function => repository.repository_url }

  # A function that takes its image's address from here is made when it may pull.
  depends_on = [aws_ecr_repository_policy.this]
}

output "repository_arns" {
  description = "ARN of each repository, by function."
  value       = { for function, repository in aws_ecr_repository.this : function => repository.arn }
}
