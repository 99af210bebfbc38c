# One alarm is one line of a table. What a line does not say is in `alarm_defaults`.

locals {
  alarm_defaults = {
    statistic  = "Sum"
    comparison = "GreaterThanThreshold"
    threshold  = 0
    period     = 300
    periods    = 1
    datapoints = null
    missing    = "notBreaching"
    band       = null
  }

  functions = { for key, name in var.function_names : key => { FunctionName = name } }
  issuer    = { function = var.function_names.jwt_issuer }
  jwks      = { function = var.function_names.jwks }
  rotator   = { function = var.function_names.key_rotator }
  api       = { ApiName = var.api_name, Stage = var.stage_name }
  hour      = 3600
  day       = 24 * local.hour

  # A key signs from one rotation to the next, and for two periods if the next key was announced, imported or published anew
  # less than `announce_for` before a rotation, which then leaves it to the one after. That is no fault. Two days more are
  # for Secrets Manager, which rotates at some time of the day that is due and tries again when a rotation fails. Nothing
  # breaks at that age, and what can keep a rotation from beginning is told at once: `key-rotator-errors`, and the rules
  # `ring` and `rotation-failed`.
  longest_signing = (2 * var.rotation_days + 2) * local.day

  # A copy older than 5 minutes means a refresh that failed or was late. It serves for 65 minutes, so 55 are left.
  oldest_copy = 600

  alarms = {
    for key, alarm in merge(
      {
        jwt-issuer-errors  = { metric = "AWS/Lambda Errors", of = local.functions.jwt_issuer, says = "jwt-issuer fails as a whole: configuration, time-out, or an input that is no JSON. See its log." }
        jwks-errors        = { metric = "AWS/Lambda Errors", of = local.functions.jwks, says = "jwks fails as a whole: configuration, time-out, or an input that is no JSON. See its log." }
        key-rotator-errors = { metric = "AWS/Lambda Errors", of = local.functions.key_rotator, says = "A rotation, a command or the hourly check failed. Keys sign on. Runbook: A rotation fails." }

        jwt-issuer-throttles = { metric = "AWS/Lambda Throttles", of = local.functions.jwt_issuer, says = "Lambda refuses to run jwt-issuer: the account's concurrency is used up, or somebody has limited the function's." }
        jwks-throttles       = { metric = "AWS/Lambda Throttles", of = local.functions.jwks, says = "Lambda refuses to run jwks: the account's concurrency is used up, or somebody has limited the function's." }
        # One at a time is meant, and whoever comes second tries again. Twice in a quarter of an hour is no coincidence.
        key-rotator-throttles = { metric = "AWS/Lambda Throttles", of = local.functions.key_rotator, periods = 3, datapoints = 2, says = "Lambda keeps refusing to run key-rotator: no rotation and no check. Look at its reserved concurrency." }

        api-5xx     = { metric = "AWS/ApiGateway 5XXError", of = local.api, says = "The API answers with 5xx. See its access log: integrationStatus tells whether it was a function." }
        not-issued  = { metric = "Countersign Failed", of = local.issuer, says = "Callers who should have got a token got none (503 or 500). The record has reason_code." }
        unavailable = { metric = "Countersign Unavailable", of = local.jwks, says = "Relying parties got no key set (503). Runbook: The published set is lost or foreign." }

        ring-age   = { metric = "Countersign RingAge", of = local.issuer, statistic = "Maximum", threshold = local.oldest_copy, says = "jwt-issuer cannot fetch the key ring. Its copy serves for 65 minutes. Runbook: The ring is lost." }
        policy-age = { metric = "Countersign PolicyAge", of = local.issuer, statistic = "Maximum", threshold = local.oldest_copy, says = "jwt-issuer cannot fetch the policy, or cannot use it. Its copy serves for 65 minutes. See its log." }
        jwks-age   = { metric = "Countersign JwksAge", of = local.jwks, statistic = "Maximum", threshold = local.oldest_copy, says = "jwks cannot fetch the key set, or cannot use it. Its copy serves for 65 minutes. Runbook: The published set is lost or foreign." }

        # Quarters of an hour, and two of the last three: where refusals are rare, the band is so narrow that a single one
        # lies outside. It takes some days until CloudWatch knows what is usual.
        refused-jump          = { metric = "Countersign Refused", of = local.issuer, band = var.refused_band_width, comparison = "GreaterThanUpperThreshold", period = 900, periods = 3, datapoints = 2, says = "Far more requests for tokens are refused than usual: a change of the policy, a client that tries again and again, or somebody who tries names. The records have reason_code and arn." }
        refused-caller        = { metric = "Countersign Refused", of = merge(local.issuer, { reason_code = "caller" }), threshold = var.strangers_per_5_minutes, says = "jwt-issuer was asked by whoever can be no caller: root, a service, or an event that the gateway should not have sent. See the record." }
        refused-organisation  = { metric = "Countersign Refused", of = merge(local.issuer, { reason_code = "organisation" }), threshold = var.strangers_per_5_minutes, says = "A caller of another organisation reached jwt-issuer. The gateway's resource policy should have refused it: look whether somebody has changed that." }
        rotation-overdue      = { metric = "Countersign SigningKeyAge", of = local.rotator, statistic = "Maximum", threshold = local.longest_signing, period = local.hour, says = "A key has signed for more than two rotations. Runbook: A rotation is stuck." }
        check-missing         = { metric = "Countersign SigningKeyAge", of = local.rotator, statistic = "SampleCount", comparison = "LessThanThreshold", threshold = 1, period = local.hour, periods = 3, missing = "breaching", says = "For 3 hours the hourly check has told of no signing key: it does not run, it fails, or no key signs. Nobody would notice a foreign key set." }
        keys-disagree         = { metric = "Countersign KeysDisagree", of = local.rotator, statistic = "Maximum", period = local.hour, says = "The published key set is not the ring: tokens may be rejected, or those of strangers accepted. Runbook: The published set is lost or foreign." }
        published-keys-unseen = { metric = "Countersign JwksUnusable", of = local.rotator, statistic = "Maximum", period = local.hour, says = "The public address cannot be fetched, or lacks a key that signs. Runbook: The published set is lost or foreign." }
      },
      # A rule that cannot reach the topic tells nobody, but for this.
      { for key in keys(local.guards) : "guard-${key}-unheard" => { metric = "AWS/Events FailedInvocations", of = { RuleName = local.guard_names[key] }, says = "The rule ${local.guard_names[key]} matched, and could not publish to the topic. Look in CloudTrail at what it matched, and at the topic's policy and key." } },
    ) : key => merge(local.alarm_defaults, alarm)
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  comparison_operator = each.value.comparison
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  treat_missing_data  = each.value.missing
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]

  namespace   = each.value.band == null ? split(" ", each.value.metric)[0] : null
  metric_name = each.value.band == null ? split(" ", each.value.metric)[1] : null
  dimensions  = each.value.band == null ? each.value.of : null
  statistic   = each.value.band == null ? each.value.statistic : null
  period      = each.value.band == null ? each.value.period : null
  threshold   = each.value.band == null ? each.value.threshold : null

  threshold_metric_id = each.value.band == null ? null : "usual"

  dynamic "metric_query" {
    for_each = each.value.band == null ? [] : [each.value]

    content {
      id          = "seen"
      return_data = true

      metric {
        namespace   = split(" ", metric_query.value.metric)[0]
        metric_name = split(" ", metric_query.value.metric)[1]
        dimensions  = metric_query.value.of
        stat        = metric_query.value.statistic
        period      = metric_query.value.period
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.band == null ? [] : [each.value.band]

    content {
      id          = "usual"
      expression  = "ANOMALY_DETECTION_BAND(seen, ${metric_query.value})"
      label       = "usual"
      return_data = true
    }
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
