# The module observability: plans alone, with the real provider and without AWS. Which events the guard rules match is for
# guard_patterns.py, beside this file.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "x"
  secret_key                  = "x"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name             = "acme"
  region           = "eu-central-1"
  account_id       = "123456789012"
  partition        = "aws"
  function_names   = { jwt_issuer = "acme-jwt-issuer", jwks = "acme-jwks", key_rotator = "acme-key-rotator" }
  rotator_arn      = "arn:aws:lambda:eu-central-1:123456789012:function:acme-key-rotator"
  rotator_role_arn = "arn:aws:iam::123456789012:role/acme-key-rotator"
  api_name         = "acme"
  api_id           = "a1b2c3d4e5"
  stage_name       = "v1"
  secret_arn       = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:acme/keys-20260101-AbCdEf"
  jwks_parameter   = "/acme/jwks"
  policy_source    = { kind = "ssm", name_or_arn = "/acme/policy" }
  rotation_days    = 30
}

run "usual" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    alarm_emails       = ["oncall@acme.com", "security@acme.com"]
    deployer_role_arns = ["arn:aws:iam::123456789012:role/ci/deploy"]
  }

  # --- The topic
  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : statement.Sid => statement.Principal.Service if statement.Effect == "Allow"
    } == { OurAlarms = "cloudwatch.amazonaws.com", GuardRules = "events.amazonaws.com" }
    error_message = "CloudWatch and EventBridge publish, and nobody else"
  }
  assert {
    condition = alltrue([for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement :
      statement.Action == "sns:Publish" && statement.Resource == "arn:aws:sns:eu-central-1:123456789012:acme-alarms"
    ])
    error_message = "publishing, to this topic, and nothing else"
  }
  assert {
    condition = [for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : jsonencode(statement.Condition) if statement.Sid == "OurAlarms"] == [jsonencode({
      ArnLike      = { "aws:SourceArn" = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:acme-*" }
      StringEquals = { "aws:SourceAccount" = "123456789012" }
    })]
    error_message = "CloudWatch publishes for our alarms"
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : !can(statement.Condition) if statement.Sid == "GuardRules"])
    error_message = "with a condition EventBridge could not publish at all"
  }
  assert {
    condition = [for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : jsonencode(statement.Condition) if statement.Effect == "Deny" && statement.Principal == "*"] == [
      jsonencode({ Bool = { "aws:SecureTransport" = "false" } })
    ]
    error_message = "nobody publishes unencrypted"
  }
  assert {
    condition = (
      toset([for subscription in aws_sns_topic_subscription.email : subscription.endpoint]) == toset(["oncall@acme.com", "security@acme.com"])
      && alltrue([for subscription in aws_sns_topic_subscription.email : subscription.protocol == "email"])
    )
    error_message = "each address is subscribed"
  }
  assert {
    condition     = aws_sns_topic.alarms.name == "acme-alarms" && aws_sns_topic.alarms.kms_master_key_id == null
    error_message = "a topic without a key, since none was given"
  }

  # --- Alarms
  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(concat(
      [
        "jwt-issuer-errors", "jwks-errors", "key-rotator-errors", "jwt-issuer-throttles", "jwks-throttles", "key-rotator-throttles",
        "api-5xx", "not-issued", "unavailable", "ring-age", "policy-age", "jwks-age",
        "refused-jump", "refused-caller", "refused-organisation",
        "rotation-overdue", "check-missing", "keys-disagree", "published-keys-unseen",
      ],
      [for guard in ["api", "functions", "invoked", "policy-parameter", "published-keys", "revoked", "ring", "rotation-failed", "watch"] : "guard-${guard}-unheard"],
    ))
    error_message = "the alarms are these"
  }
  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : (
      alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:acme-alarms"])
      && alarm.ok_actions == toset(["arn:aws:sns:eu-central-1:123456789012:acme-alarms"])
    )])
    error_message = "every alarm tells the topic, of its beginning and its end"
  }
  assert {
    condition     = [for key, alarm in aws_cloudwatch_metric_alarm.this : key if alarm.treat_missing_data != "notBreaching"] == ["check-missing"]
    error_message = "missing data is an alarm where it is the alarm, and nowhere else"
  }
  assert {
    condition     = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name == "acme-${key}" && length(alarm.alarm_description) > 20 && length(alarm.alarm_description) <= 1024])
    error_message = "every alarm has a name that the topic's policy knows, and says what it means"
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : coalesce(alarm.period, 900) * alarm.evaluation_periods <= (coalesce(alarm.period, 900) < 3600 ? 86400 : 604800)])
    error_message = "CloudWatch looks back a day at most, and a week in periods of an hour"
  }
  assert {
    condition = jsonencode({
      for key, alarm in aws_cloudwatch_metric_alarm.this :
      key => [alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.statistic, alarm.comparison_operator, alarm.threshold, alarm.period, alarm.evaluation_periods]
      if contains(["key-rotator-errors", "jwks-throttles", "api-5xx", "not-issued", "unavailable", "ring-age", "refused-organisation", "keys-disagree", "published-keys-unseen", "check-missing", "guard-ring-unheard"], key)
      }) == jsonencode({
      key-rotator-errors    = ["AWS/Lambda", "Errors", { FunctionName = "acme-key-rotator" }, "Sum", "GreaterThanThreshold", 0, 300, 1]
      jwks-throttles        = ["AWS/Lambda", "Throttles", { FunctionName = "acme-jwks" }, "Sum", "GreaterThanThreshold", 0, 300, 1]
      api-5xx               = ["AWS/ApiGateway", "5XXError", { ApiName = "acme", Stage = "v1" }, "Sum", "GreaterThanThreshold", 0, 300, 1]
      not-issued            = ["Countersign", "Failed", { function = "acme-jwt-issuer" }, "Sum", "GreaterThanThreshold", 0, 300, 1]
      unavailable           = ["Countersign", "Unavailable", { function = "acme-jwks" }, "Sum", "GreaterThanThreshold", 0, 300, 1]
      ring-age              = ["Countersign", "RingAge", { function = "acme-jwt-issuer" }, "Maximum", "GreaterThanThreshold", 600, 300, 1]
      refused-organisation  = ["Countersign", "Refused", { function = "acme-jwt-issuer", reason_code = "organisation" }, "Sum", "GreaterThanThreshold", 0, 300, 1]
      keys-disagree         = ["Countersign", "KeysDisagree", { function = "acme-key-rotator" }, "Maximum", "GreaterThanThreshold", 0, 3600, 1]
      published-keys-unseen = ["Countersign", "JwksUnusable", { function = "acme-key-rotator" }, "Maximum", "GreaterThanThreshold", 0, 3600, 1]
      check-missing         = ["Countersign", "SigningKeyAge", { function = "acme-key-rotator" }, "SampleCount", "LessThanThreshold", 1, 3600, 3]
      guard-ring-unheard    = ["AWS/Events", "FailedInvocations", { RuleName = "acme-guard-ring" }, "Sum", "GreaterThanThreshold", 0, 300, 1]
    })
    error_message = "each alarm looks at the metric of its kind"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["rotation-overdue"].threshold == 62 * 86400
    error_message = "two periods and two days: a key that was announced too late may sign for two"
  }
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["refused-jump"].threshold_metric_id == "usual"
      && aws_cloudwatch_metric_alarm.this["refused-jump"].comparison_operator == "GreaterThanUpperThreshold"
      && aws_cloudwatch_metric_alarm.this["refused-jump"].datapoints_to_alarm == 2
      && contains([for query in aws_cloudwatch_metric_alarm.this["refused-jump"].metric_query : query.expression], "ANOMALY_DETECTION_BAND(seen, 4)")
    )
    error_message = "refusals are compared with what is usual"
  }

  # --- The hourly check
  assert {
    condition     = aws_cloudwatch_event_rule.check.schedule_expression == "rate(1 hour)" && aws_cloudwatch_event_rule.check.event_pattern == null
    error_message = "once an hour"
  }
  assert {
    condition     = aws_cloudwatch_event_target.check.arn == var.rotator_arn && jsondecode(aws_cloudwatch_event_target.check.input) == { action = "check" }
    error_message = "the rotator is told to check and nothing else"
  }
  assert {
    condition = (
      aws_lambda_permission.check.principal == "events.amazonaws.com"
      && aws_lambda_permission.check.action == "lambda:InvokeFunction"
      && aws_lambda_permission.check.function_name == var.rotator_arn
      && aws_lambda_permission.check.source_arn == "arn:aws:events:eu-central-1:123456789012:rule/acme-check"
      && aws_cloudwatch_event_rule.check.name == "acme-check"
    )
    error_message = "EventBridge invokes the rotator for this one rule of this account"
  }

  # --- The guards
  assert {
    condition = alltrue([for key, rule in aws_cloudwatch_event_rule.guard : (
      aws_cloudwatch_event_target.guard[key].arn == "arn:aws:sns:eu-central-1:123456789012:acme-alarms"
      && aws_cloudwatch_event_target.guard[key].rule == rule.name
      && aws_cloudwatch_event_target.guard[key].role_arn == null
      && rule.name == "acme-guard-${key}" && length(rule.name) <= 64
      && length(rule.event_pattern) <= 2048
    )])
    error_message = "each guard tells the topic"
  }
  assert {
    condition = alltrue([for target in aws_cloudwatch_event_target.guard :
      can(regex("^\\[acme\\] .*<event> by <who> .* from <from> at <time> ", jsondecode(target.input_transformer[0].input_template)))
      && target.input_transformer[0].input_paths.who == "$.detail.userIdentity.arn"
    ])
    error_message = "one line: what, who, from where, when"
  }
  assert {
    condition = alltrue([for rule in aws_cloudwatch_event_rule.guard : (
      jsondecode(rule.event_pattern).source == [{ prefix = "aws." }]
      && contains(["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"], one(jsondecode(rule.event_pattern).detail-type))
    )])
    error_message = "events of AWS, which nobody can make up, as CloudTrail tells them"
  }
  assert {
    condition     = alltrue([for rule in aws_cloudwatch_event_rule.guard : rule.state == "ENABLED"])
    error_message = "without readers no rule listens to reads"
  }
  assert {
    condition = jsonencode(jsondecode(aws_cloudwatch_event_rule.guard["ring"].event_pattern).detail) == jsonencode({
      eventSource       = ["secretsmanager.amazonaws.com"]
      requestParameters = { secretId = [var.secret_arn, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:acme/keys-20260101", "acme/keys-20260101"] }
      "$or" = [
        { userIdentity = { sessionContext = { sessionIssuer = { arn = [{ exists = false }] } } } },
        { userIdentity = { sessionContext = { sessionIssuer = { arn = [{ anything-but = [var.rotator_role_arn, "arn:aws:iam::123456789012:role/ci/deploy"] }] } } } },
        { userIdentity = { sessionContext = { sessionIssuer = { arn = [var.rotator_role_arn] } } }, eventName = [{ anything-but = ["PutSecretValue", "UpdateSecretVersionStage"] }] },
      ]
    })
    error_message = "every write of the secret, but the two that the rotator makes and what deployers do"
  }
  assert {
    condition = jsonencode(jsondecode(aws_cloudwatch_event_rule.guard["published-keys"].event_pattern).detail.requestParameters["$or"]) == jsonencode([
      for field in ["name", "names", "resourceId"] : { (field) = ["/acme/jwks", "arn:aws:ssm:eu-central-1:123456789012:parameter/acme/jwks"] }
    ])
    error_message = "the parameter of the key set, however it is named"
  }
  assert {
    condition = alltrue([for name in values(var.function_names) :
      contains(jsondecode(aws_cloudwatch_event_rule.guard["functions"].event_pattern).detail.requestParameters.functionName, name)
    ])
    error_message = "all three functions are guarded"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.guard["api"].event_pattern).detail.requestParameters == { restApiId = ["a1b2c3d4e5"] }
    error_message = "the API is guarded"
  }
  assert {
    condition = alltrue([for key in ["api", "policy-parameter", "watch"] :
      jsonencode(jsondecode(aws_cloudwatch_event_rule.guard[key].event_pattern).detail.userIdentity["$or"]) == jsonencode([
        { sessionContext = { sessionIssuer = { arn = [{ exists = false }] } } },
        { sessionContext = { sessionIssuer = { arn = [{ anything-but = ["arn:aws:iam::123456789012:role/ci/deploy"] }] } } },
      ])
    ])
    error_message = "what only deployers change is told of everybody else, with a session or without"
  }

  # --- What it answers
  assert {
    condition     = join(" ", output.guard_rule_names) == join(" ", [for guard in ["api", "functions", "invoked", "policy-parameter", "published-keys", "revoked", "ring", "rotation-failed", "watch"] : "acme-guard-${guard}"])
    error_message = "the output names the guards"
  }
  assert {
    condition     = output.dashboard_name == "acme" && length(output.alarm_names) == 28
    error_message = "the outputs name dashboard and alarms"
  }

  # --- The dashboard
  assert {
    condition     = length([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget if widget.type == "alarm"][0].properties.alarms) == 28
    error_message = "the dashboard shows every alarm"
  }
  assert {
    condition = length(setsubtract(
      ["Issued", "Refused", "Failed", "Latency", "SigningTime", "RingAge", "PolicyAge", "JwksAge", "Errors", "Throttles", "SigningKeyAge", "KeysDisagree", "JwksUnusable", "Served", "NotModified", "Unavailable"],
      flatten([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : try(metric[1], "")]]),
    )) == 0
    error_message = "the dashboard shows every metric"
  }
  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.region == "eu-central-1" if widget.type == "metric"])
    error_message = "every graph says its region"
  }
  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "AWS/WAFV2")
    error_message = "no graph of a WAF that is not there"
  }
}

run "everything" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    policy_source           = { kind = "secret", name_or_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:acme/policy-20260101-GhIjKl" }
    key_store               = "kms"
    kms_key                 = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
    topic_kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/66666666-7777-8888-9999-000000000000"
    domain_name             = "id.acme.com"
    waf_acl_name            = "acme"
    ring_reader_role_arns   = ["arn:aws:iam::123456789012:role/acme-jwt-issuer", "arn:aws:iam::123456789012:role/acme-key-rotator"]
    refused_band_width      = 6
    strangers_per_5_minutes = 10
    rotation_days           = 7
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.topic_kms_key_arn
    error_message = "the topic is encrypted with the key that was given"
  }
  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "nobody is subscribed who was not named"
  }
  assert {
    condition = toset(keys(aws_cloudwatch_event_rule.guard)) == toset([
      "api", "functions", "invoked", "policy-secret", "published-keys", "revoked", "ring", "ring-key", "ring-read", "rotation-failed", "signed", "signing-keys", "watch",
    ])
    error_message = "the policy's secret, the KMS keys and reads are guarded too"
  }
  assert {
    condition     = [for key, rule in aws_cloudwatch_event_rule.guard : key if rule.state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"] == ["ring-read", "signed"]
    error_message = "reads reach a rule only if its state asks for them"
  }
  assert {
    condition     = !can(jsondecode(aws_cloudwatch_event_rule.guard["api"].event_pattern).detail.userIdentity)
    error_message = "without deployers everybody is told of"
  }
  assert {
    condition     = jsonencode(jsondecode(aws_cloudwatch_event_rule.guard["api"].event_pattern).detail.requestParameters) == jsonencode({ "$or" = [{ restApiId = ["a1b2c3d4e5"] }, { domainName = ["id.acme.com"] }] })
    error_message = "the domain is guarded as the API is"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.guard["ring-key"].event_pattern).detail.requestParameters.keyId == [var.kms_key.arn, "11111111-2222-3333-4444-555555555555"]
    error_message = "the key is guarded, by ARN and by id"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["rotation-overdue"].threshold == 16 * 86400
    error_message = "the threshold goes with the schedule"
  }
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["refused-caller"].threshold == 10
      && contains([for query in aws_cloudwatch_metric_alarm.this["refused-jump"].metric_query : query.expression], "ANOMALY_DETECTION_BAND(seen, 6)")
    )
    error_message = "what is usual can be said"
  }
  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "AWS/WAFV2")
    error_message = "the dashboard shows the WAF"
  }
}

run "without_a_policy_to_guard" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    policy_source = null
  }

  assert {
    condition     = length([for key in keys(aws_cloudwatch_event_rule.guard) : key if startswith(key, "policy")]) == 0
    error_message = "a policy in a file of the function has no rule of its own"
  }
}

run "refuses_bad_values" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    name                    = "Acme"
    region                  = "Frankfurt"
    account_id              = "1234"
    partition               = "azure"
    function_names          = { jwt_issuer = "arn:aws:lambda:eu-central-1:123456789012:function:a", jwks = "b", key_rotator = "c" }
    rotator_arn             = "acme-key-rotator"
    rotator_role_arn        = "arn:aws:iam::123456789012:role/*"
    api_name                = "acme api"
    api_id                  = "arn:aws:apigateway:eu-central-1::/restapis/a1"
    stage_name              = "$default"
    domain_name             = "https://id.acme.com"
    secret_arn              = "acme/keys"
    jwks_parameter          = "acme"
    policy_source           = { kind = "s3", name_or_arn = "/acme/policy" }
    key_store               = "file"
    kms_key                 = { arn = "alias/acme-keys" }
    rotation_days           = 1.5
    waf_acl_name            = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/acme/1"
    deployer_role_arns      = ["arn:aws:sts::123456789012:assumed-role/deploy/ci"]
    ring_reader_role_arns   = ["arn:aws:iam::123456789012:role/acme-*"]
    alarm_emails            = ["oncall"]
    topic_kms_key_arn       = "alias/aws/sns"
    refused_band_width      = 0
    strangers_per_5_minutes = -1
  }

  expect_failures = [
    var.name, var.region, var.account_id, var.partition, var.function_names, var.rotator_arn, var.rotator_role_arn, var.api_name,
    var.api_id, var.stage_name, var.domain_name, var.secret_arn, var.jwks_parameter, var.policy_source, var.key_store, var.kms_key,
    var.rotation_days, var.waf_acl_name, var.deployer_role_arns, var.ring_reader_role_arns, var.alarm_emails,
    var.topic_kms_key_arn, var.refused_band_width, var.strangers_per_5_minutes,
  ]
}

run "refuses_a_policy_secret_by_name" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    policy_source = { kind = "secret", name_or_arn = "acme/policy" }
  }

  expect_failures = [var.policy_source]
}

run "refuses_more_deployers_than_a_pattern_takes" {
  command = plan
  module {
    source = "./modules/observability"
  }
  variables {
    deployer_role_arns = [for n in range(12) : "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_CountersignDeployment_0123456789abcde${format("%x", n)}"]
  }

  expect_failures = [aws_cloudwatch_event_rule.guard]
}
