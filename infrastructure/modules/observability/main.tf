# Who is told: one topic for alarms (alarms.tf) and for writes by strangers (guards.tf). The hourly check that some of the
# alarms live from is in check.tf, the dashboard in dashboard.tf.

locals {
  # Known before anything is there, so that policies and tests can name it.
  topic_arn = "arn:${var.partition}:sns:${var.region}:${var.account_id}:${var.name}-alarms"
}

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"

  # Not alias/aws/sns: its key policy lets no service in and cannot be changed, so CloudWatch could not publish. A message
  # says which alarm, or who wrote what, and nothing that signs.
  kms_master_key_id = var.topic_kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OurAlarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = {
          ArnLike      = { "aws:SourceArn" = "arn:${var.partition}:cloudwatch:${var.region}:${var.account_id}:alarm:${var.name}-*" }
          StringEquals = { "aws:SourceAccount" = var.account_id }
        }
      },
      {
        # Without a condition, because AWS has none here: "You can't use Condition blocks in Amazon SNS topic policies for
        # EventBridge" ("Using resource-based policies for Amazon EventBridge"). With one the rules would match, and nobody
        # would be told. What it lets in besides are false alarms by rules of others.
        Sid       = "GuardRules"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
      },
      {
        Sid       = "OnlyEncrypted"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alarm_emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}
