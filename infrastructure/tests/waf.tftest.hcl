# The module waf: plans alone, with the real provider and without AWS.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "x"
  secret_key                  = "x"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name                          = "acme"
  stage_arn                     = "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3d4e5/stages/v1"
  public_requests_per_5_minutes = 10000
  log_retention_days            = 365
}

run "block" {
  command = plan
  module {
    source = "./modules/waf"
  }

  assert {
    condition     = aws_wafv2_web_acl.this.scope == "REGIONAL" && length(aws_wafv2_web_acl.this.default_action[0].allow) == 1
    error_message = "a regional web ACL that lets everything pass that no rule forbids"
  }
  assert {
    condition     = aws_wafv2_web_acl_association.this.resource_arn == var.stage_arn
    error_message = "it stands in front of the stage"
  }
  assert {
    condition = toset([for rule in aws_wafv2_web_acl.this.rule : rule.name]) == toset([
      "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet", "PublicDocuments",
    ])
    error_message = "three managed groups and one limit"
  }
  assert {
    condition = alltrue(flatten([for rule in aws_wafv2_web_acl.this.rule : [for group in rule.statement[0].managed_rule_group_statement : [
      group.vendor_name == "AWS",
      group.name == rule.name,
      length(rule.override_action[0].none) == 1,
      length(rule.override_action[0].count) == 0,
    ]]]))
    error_message = "in mode block a managed group acts as AWS made it"
  }

  # --- POST /token and nothing else
  assert {
    condition = alltrue(flatten([for rule in aws_wafv2_web_acl.this.rule : [for group in rule.statement[0].managed_rule_group_statement : [
      length(group.scope_down_statement[0].and_statement[0].statement) == 2,
      group.scope_down_statement[0].and_statement[0].statement[0].byte_match_statement[0].positional_constraint == "EXACTLY",
      group.scope_down_statement[0].and_statement[0].statement[0].byte_match_statement[0].search_string == "POST",
      length(group.scope_down_statement[0].and_statement[0].statement[0].byte_match_statement[0].field_to_match[0].method) == 1,
    ]]]))
    error_message = "managed groups look at POST alone"
  }
  assert {
    condition = alltrue(flatten([for rule in aws_wafv2_web_acl.this.rule : [for group in rule.statement[0].managed_rule_group_statement : [
      [for path in group.scope_down_statement[0].and_statement[0].statement[1].or_statement[0].statement : path.byte_match_statement[0].search_string] == ["/token", "/token/"],
      [for path in group.scope_down_statement[0].and_statement[0].statement[1].or_statement[0].statement : [
        path.byte_match_statement[0].positional_constraint == "ENDS_WITH",
        length(path.byte_match_statement[0].field_to_match[0].uri_path) == 1,
        { for transformation in path.byte_match_statement[0].text_transformation : transformation.priority => transformation.type } == { "0" = "URL_DECODE", "1" = "NORMALIZE_PATH" },
      ]],
    ]]]))
    error_message = "managed groups look at the token's path alone, with and without the stage in front, however it is written"
  }
  assert {
    condition     = length(flatten([for rule in aws_wafv2_web_acl.this.rule : rule.statement[0].managed_rule_group_statement])) == 3
    error_message = "the assertions above saw three groups"
  }
  assert {
    condition = toset(flatten([for rule in aws_wafv2_web_acl.this.rule : [for group in rule.statement[0].managed_rule_group_statement : [
      for override in group.rule_action_override : "${rule.name} ${override.name}" if length(override.action_to_use[0].count) == 1
    ]]])) == toset(["AWSManagedRulesCommonRuleSet NoUserAgent_HEADER", "AWSManagedRulesCommonRuleSet SizeRestrictions_BODY"])
    error_message = "two rules of the common set only count, and no others"
  }

  # --- The public documents
  assert {
    condition = [for rule in aws_wafv2_web_acl.this.rule : {
      limit  = rule.statement[0].rate_based_statement[0].limit
      window = rule.statement[0].rate_based_statement[0].evaluation_window_sec
      by     = rule.statement[0].rate_based_statement[0].aggregate_key_type
      path   = rule.statement[0].rate_based_statement[0].scope_down_statement[0].byte_match_statement[0].search_string
      where  = rule.statement[0].rate_based_statement[0].scope_down_statement[0].byte_match_statement[0].positional_constraint
      blocks = length(rule.action[0].block)
      counts = length(rule.action[0].count)
    } if rule.name == "PublicDocuments"] == [{ limit = 10000, window = 300, by = "IP", path = "/.well-known/", where = "CONTAINS", blocks = 1, counts = 0 }]
    error_message = "a limit for each address on the public documents"
  }

  # --- What is written down
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "aws-waf-logs-acme" && aws_cloudwatch_log_group.this.retention_in_days == 365 && aws_cloudwatch_log_group.this.kms_key_id == null
    error_message = "a log group with WAF's prefix, that is not kept for ever"
  }
  assert {
    condition = toset(flatten([
      for field in aws_wafv2_web_acl_logging_configuration.this.redacted_fields : concat([for header in field.single_header : header.name], [for query in field.query_string : "the query"])
    ])) == toset(["authorization", "x-amz-security-token", "the query"])
    error_message = "signatures and session tokens never reach the log"
  }
  assert {
    condition     = aws_wafv2_web_acl_logging_configuration.this.logging_filter[0].default_behavior == "DROP"
    error_message = "what no rule matched is in the gateway's log already"
  }
  assert {
    condition = toset(flatten([for filter in aws_wafv2_web_acl_logging_configuration.this.logging_filter[0].filter : [
      for condition in filter.condition : condition.action_condition[0].action if filter.behavior == "KEEP"
    ]])) == toset(["BLOCK", "COUNT", "EXCLUDED_AS_COUNT"])
    error_message = "what a rule matched is written down, in either mode"
  }
  assert {
    condition     = alltrue([for config in concat(aws_wafv2_web_acl.this.visibility_config, flatten([for rule in aws_wafv2_web_acl.this.rule : rule.visibility_config])) : !config.sampled_requests_enabled && config.cloudwatch_metrics_enabled])
    error_message = "samples show headers whole"
  }
}

run "count" {
  command = plan
  module {
    source = "./modules/waf"
  }
  variables {
    mode                          = "count"
    public_requests_per_5_minutes = 10
    log_kms_key_arn               = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition = alltrue([for rule in aws_wafv2_web_acl.this.rule : (
      length(flatten([rule.override_action[*].count, rule.action[*].count])) == 1
      && length(flatten([rule.override_action[*].none, rule.action[*].block])) == 0
    )])
    error_message = "in mode count every rule counts"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    error_message = "the log is encrypted with the key that was given"
  }
}

run "refuses_bad_values" {
  command = plan
  module {
    source = "./modules/waf"
  }
  variables {
    name                          = "acme.com"
    stage_arn                     = "arn:aws:apigateway:eu-central-1::/apis/a1b2c3d4e5/stages/v1"
    mode                          = "off"
    public_requests_per_5_minutes = 9
    log_retention_days            = 0
    log_kms_key_arn               = "alias/logs"
  }

  expect_failures = [var.name, var.stage_arn, var.mode, var.public_requests_per_5_minutes, var.log_retention_days, var.log_kms_key_arn]
}

run "refuses_a_limit_beyond_wafs" {
  command = plan
  module {
    source = "./modules/waf"
  }
  variables {
    public_requests_per_5_minutes = 2000000001
  }

  expect_failures = [var.public_requests_per_5_minutes]
}
