# Who looks here wants to know: are tokens issued, who is refused, how old are copies and keys.

locals {
  # The grid is 24 wide. Without a place, widgets follow each other.
  widgets = concat(
    [
      { type = "alarm", width = 24, height = 4, properties = {
        title  = "Alarms"
        alarms = [for key in keys(local.alarms) : "arn:${var.partition}:cloudwatch:${var.region}:${var.account_id}:alarm:${var.name}-${key}"]
      } },
      { type = "metric", width = 12, height = 6, properties = {
        title = "Tokens", stat = "Sum", period = 300
        metrics = [
          ["Countersign", "Issued", "function", var.function_names.jwt_issuer, { label = "issued" }],
          ["Countersign", "Refused", "function", var.function_names.jwt_issuer, { label = "refused" }],
          ["Countersign", "Failed", "function", var.function_names.jwt_issuer, { label = "failed" }],
        ]
      } },
      { type = "metric", width = 12, height = 6, properties = {
        title = "Refused and failed, by reason_code", period = 300
        # A search, because a reason that has never been given has no metric.
        metrics = [
          [{ id = "refused", label = "", expression = "SEARCH('{Countersign,function,reason_code} MetricName=\"Refused\" function=\"${var.function_names.jwt_issuer}\"', 'Sum', 300)" }],
          [{ id = "failed", label = "", expression = "SEARCH('{Countersign,function,reason_code} MetricName=\"Failed\" function=\"${var.function_names.jwt_issuer}\"', 'Sum', 300)" }],
        ]
      } },
      { type = "metric", width = 8, height = 6, properties = {
        title = "Latency of the API, milliseconds", period = 300
        metrics = [
          ["AWS/ApiGateway", "Latency", "ApiName", var.api_name, "Stage", var.stage_name, { label = "p50", stat = "p50" }],
          ["AWS/ApiGateway", "Latency", "ApiName", var.api_name, "Stage", var.stage_name, { label = "p99", stat = "p99" }],
        ]
      } },
      { type = "metric", width = 8, height = 6, properties = {
        title = "The signature alone, microseconds", period = 300
        metrics = [
          ["Countersign", "SigningTime", "function", var.function_names.jwt_issuer, { label = "p50", stat = "p50" }],
          ["Countersign", "SigningTime", "function", var.function_names.jwt_issuer, { label = "p99", stat = "p99" }],
        ]
      } },
      { type = "metric", width = 8, height = 6, properties = {
        title = "Age of the copies, seconds", stat = "Maximum", period = 300
        metrics = [
          ["Countersign", "RingAge", "function", var.function_names.jwt_issuer, { label = "ring" }],
          ["Countersign", "PolicyAge", "function", var.function_names.jwt_issuer, { label = "policy" }],
          ["Countersign", "JwksAge", "function", var.function_names.jwks, { label = "key set" }],
        ]
        annotations = { horizontal = [{ label = "alarm", value = local.oldest_copy }] }
      } },
      { type = "metric", width = 12, height = 6, properties = {
        title = "Errors and throttles", stat = "Sum", period = 300
        metrics = concat(
          [for name in values(var.function_names) : ["AWS/Lambda", "Errors", "FunctionName", name, { label = "${name}: errors" }]],
          [for name in values(var.function_names) : ["AWS/Lambda", "Throttles", "FunctionName", name, { label = "${name}: throttles" }]],
          [["AWS/ApiGateway", "5XXError", "ApiName", var.api_name, "Stage", var.stage_name, { label = "API: 5xx" }]],
          [["AWS/ApiGateway", "4XXError", "ApiName", var.api_name, "Stage", var.stage_name, { label = "API: 4xx" }]],
        )
      } },
      { type = "metric", width = 12, height = 6, properties = {
        title = "Keys", stat = "Maximum", period = 3600
        metrics = [
          [{ id = "days", label = "oldest signing key, days", expression = "age / 86400" }],
          ["Countersign", "SigningKeyAge", "function", var.function_names.key_rotator, { id = "age", visible = false }],
          ["Countersign", "KeysDisagree", "function", var.function_names.key_rotator, { label = "set is not the ring", yAxis = "right" }],
          ["Countersign", "JwksUnusable", "function", var.function_names.key_rotator, { label = "public address unusable", yAxis = "right" }],
        ]
        yAxis       = { right = { min = 0, max = 1 } }
        annotations = { horizontal = [{ label = "alarm", value = local.longest_signing / local.day }] }
      } },
      { type = "metric", width = 12, height = 6, properties = {
        title = "Public documents", stat = "Sum", period = 300
        metrics = [
          ["Countersign", "Served", "function", var.function_names.jwks, { label = "200" }],
          ["Countersign", "NotModified", "function", var.function_names.jwks, { label = "304" }],
          ["Countersign", "Unavailable", "function", var.function_names.jwks, { label = "503" }],
        ]
      } },
    ],
    [for widget in [{ type = "metric", width = 12, height = 6, properties = {
      title = "WAF", stat = "Sum", period = 300
      metrics = flatten([for metric in ["BlockedRequests", "CountedRequests"] : [for rule in ["PublicDocuments", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesAmazonIpReputationList"] : {
        row = ["AWS/WAFV2", metric, "WebACL", var.waf_acl_name, "Rule", rule, "Region", var.region, { label = "${rule}: ${metric}" }]
      }]])[*].row
    } }] : widget if var.waf_acl_name != null],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    # The region goes into each widget that has metrics.
    widgets = [for widget in local.widgets : merge(widget, {
      properties = { for key, value in merge(widget.properties, { region = var.region, view = "timeSeries" }) : key => value if widget.type == "metric" || key == "title" || key == "alarms" }
    })]
  })
}
