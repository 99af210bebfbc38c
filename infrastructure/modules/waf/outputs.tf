output "web_acl_arn" {
  description = "ARN of the web ACL."
  value       = aws_wafv2_web_acl.this.arn
}

output "web_acl_name" {
  description = "Name of the web ACL, which is the dimension `WebACL` of its metrics."
  value       = aws_wafv2_web_acl.this.name
}

output "log_group_name" {
  description = "Where requests are written down that a rule matched."
  value       = aws_cloudwatch_log_group.this.name
}
