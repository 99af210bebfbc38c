output "alarm_topic_arn" {
  description = "Where alarms and the messages of the guard rules go."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "alarm_names" {
  description = "Names of all alarms."
  value       = sort([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name])
}

output "guard_rule_names" {
  description = "Names of the rules that tell of writes by strangers."
  value       = sort([for rule in aws_cloudwatch_event_rule.guard : rule.name])
}

output "check_rule_arn" {
  description = "The rule that sends the hourly check, for a policy that lets nobody write its target."
  value       = aws_cloudwatch_event_rule.check.arn
}
