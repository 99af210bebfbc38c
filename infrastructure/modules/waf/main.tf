# AWS WAF in front of the API: AWS's managed rules for POST /token, and a limit on requests for the public documents.
#
# The managed rules look at nothing else. Relying parties fetch keys from few addresses, often of a cloud, and without a
# browser's headers: to such rules they look like robots.

locals {
  # The rules of a group that only count, whatever the mode. The common set takes a body over 8 KiB and a request without
  # User-Agent for an attack. A request for a token may be 16 KiB long, and whoever makes it is a program.
  groups = {
    AWSManagedRulesAmazonIpReputationList = { priority = 10, only_count = [] }
    AWSManagedRulesKnownBadInputsRuleSet  = { priority = 20, only_count = [] }
    AWSManagedRulesCommonRuleSet          = { priority = 30, only_count = ["NoUserAgent_HEADER", "SizeRestrictions_BODY"] }
  }

  # On the API's own URL the path begins with the stage, on a custom domain it does not. Whether the gateway would route a
  # path with a slash at its end as well is not documented, so it is meant too.
  token_paths = ["/token", "/token/"]

  # The gateway decodes a path before it routes it.
  path_transformations = ["URL_DECODE", "NORMALIZE_PATH"]
}

resource "aws_wafv2_web_acl" "this" {
  # checkov:skip=CKV_AWS_192: AWSManagedRulesKnownBadInputsRuleSet is there, in a dynamic block that the check does not read
  name        = var.name
  description = "Managed rules for POST /token, a limit on the public documents"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  dynamic "rule" {
    for_each = local.groups

    content {
      name     = rule.key
      priority = rule.value.priority

      override_action {
        dynamic "none" {
          for_each = var.mode == "block" ? [1] : []
          content {}
        }
        dynamic "count" {
          for_each = var.mode == "count" ? [1] : []
          content {}
        }
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key

          dynamic "rule_action_override" {
            for_each = rule.value.only_count

            content {
              name = rule_action_override.value
              action_to_use {
                count {}
              }
            }
          }

          scope_down_statement {
            and_statement {
              statement {
                byte_match_statement {
                  positional_constraint = "EXACTLY"
                  search_string         = "POST"
                  field_to_match {
                    method {}
                  }
                  text_transformation {
                    priority = 0
                    type     = "NONE"
                  }
                }
              }
              statement {
                or_statement {
                  dynamic "statement" {
                    for_each = local.token_paths

                    content {
                      byte_match_statement {
                        positional_constraint = "ENDS_WITH"
                        search_string         = statement.value
                        field_to_match {
                          uri_path {}
                        }
                        dynamic "text_transformation" {
                          for_each = local.path_transformations
                          content {
                            priority = text_transformation.key
                            type     = text_transformation.value
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = rule.key
        sampled_requests_enabled   = false
      }
    }
  }

  rule {
    name     = "PublicDocuments"
    priority = 40

    action {
      dynamic "block" {
        for_each = var.mode == "block" ? [1] : []
        content {}
      }
      dynamic "count" {
        for_each = var.mode == "count" ? [1] : []
        content {}
      }
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = var.public_requests_per_5_minutes

        scope_down_statement {
          byte_match_statement {
            positional_constraint = "CONTAINS"
            search_string         = "/.well-known/"
            field_to_match {
              uri_path {}
            }
            dynamic "text_transformation" {
              for_each = local.path_transformations
              content {
                priority = text_transformation.key
                type     = text_transformation.value
              }
            }
          }
        }
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "PublicDocuments"
      sampled_requests_enabled   = false
    }
  }

  # No samples: they show whole headers, and a signature can be sent again for five minutes. Nothing redacts them here.
  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  resource_arn = var.stage_arn
  web_acl_arn  = aws_wafv2_web_acl.this.arn
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "aws-waf-logs-${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}

# What a rule matched, in either mode. The rest is in the gateway's access log.
resource "aws_wafv2_web_acl_logging_configuration" "this" {
  resource_arn            = aws_wafv2_web_acl.this.arn
  log_destination_configs = [aws_cloudwatch_log_group.this.arn]

  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      dynamic "condition" {
        for_each = ["BLOCK", "COUNT", "EXCLUDED_AS_COUNT"]
        content {
          action_condition {
            action = condition.value
          }
        }
      }
    }
  }

  # The signature and the session token, and what a presigned URL has of both in its query.
  redacted_fields {
    single_header {
      name = "authorization"
    }
  }
  redacted_fields {
    single_header {
      name = "x-amz-security-token"
    }
  }
  redacted_fields {
    query_string {}
  }
}
