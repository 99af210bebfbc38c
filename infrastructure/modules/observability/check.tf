# Once an hour the rotator compares the published set with the ring, tells how old the signing keys are, and looks what
# relying parties see. It changes nothing.

locals {
  check_rule_name = "${var.name}-check"
  check_rule_arn  = "arn:${var.partition}:events:${var.region}:${var.account_id}:rule/${local.check_rule_name}"
}

resource "aws_cloudwatch_event_rule" "check" {
  name                = local.check_rule_name
  description         = "Once an hour: is the published key set the ring?"
  schedule_expression = "rate(1 hour)"
}

resource "aws_cloudwatch_event_target" "check" {
  rule      = aws_cloudwatch_event_rule.check.name
  target_id = "key-rotator"
  arn       = var.rotator_arn
  input     = jsonencode({ action = "check" })

  # A check that comes late is worth less than the next one.
  retry_policy {
    maximum_event_age_in_seconds = 900
    maximum_retry_attempts       = 2
  }

  depends_on = [aws_lambda_permission.check]
}

# The event could say `revoke` as well as `check`, so whoever may write the target of this rule has the rotator's power:
# guards.tf.
resource "aws_lambda_permission" "check" {
  statement_id  = "hourly-check"
  action        = "lambda:InvokeFunction"
  function_name = var.rotator_arn
  principal     = "events.amazonaws.com"
  # It names the account. AWS documents no other key of EventBridge's here.
  source_arn = local.check_rule_arn
}
