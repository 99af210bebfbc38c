# Writes that decide who is believed, by whoever is not expected to make them. EventBridge gets them from CloudTrail, which
# needs a trail in the account that records management events.
#
# How patterns match (Amazon EventBridge User Guide, "Event patterns"):
# - All fields have to match, of a list one entry, and of `$or` one branch. A field stands either in an `$or` or beside it:
#   of two patterns for one field EventBridge takes the later one.
# - `anything-but` does not match a field that is not there. IAM users, root and services have no `sessionIssuer`.
# - Rules get no read-only calls, unless their state asks for them. So a pattern here needs no list of writes, and a call
#   that AWS adds one day is noticed.
# - A refused attempt is an event too.

locals {
  # Who it was, as branches of `$or`: of a session, the role that it is of. Nobody can choose that.
  session_of = {
    none      = { userIdentity = { sessionContext = { sessionIssuer = { arn = [{ exists = false }] } } } }
    rotator   = { userIdentity = { sessionContext = { sessionIssuer = { arn = [var.rotator_role_arn] } } } }
    unknown   = { userIdentity = { sessionContext = { sessionIssuer = { arn = [{ anything-but = concat([var.rotator_role_arn], var.deployer_role_arns) }] } } } }
    no_reader = { userIdentity = { sessionContext = { sessionIssuer = { arn = [{ anything-but = var.ring_reader_role_arns }] } } } }
  }

  # Everybody but deployers; everybody, if there are none.
  no_deployer = {
    for key, value in { "$or" = [
      { sessionContext = { sessionIssuer = { arn = [{ exists = false }] } } },
      { sessionContext = { sessionIssuer = { arn = [{ anything-but = var.deployer_role_arns }] } } },
    ] } : key => value if length(var.deployer_role_arns) > 0
  }
  not_a_deployer = { for key, value in { userIdentity = local.no_deployer } : key => value if length(var.deployer_role_arns) > 0 }

  # Each way in which a call may name a thing.
  ssm_names = {
    for key, name in { jwks = var.jwks_parameter, policy = local.policy_parameter } :
    key => [name, "arn:${var.partition}:ssm:${var.region}:${var.account_id}:parameter${name}"]
  }
  policy_parameter = try(var.policy_source.kind == "ssm", false) ? var.policy_source.name_or_arn : "/"
  policy_secret    = try(var.policy_source.kind == "secret", false) ? var.policy_source.name_or_arn : var.secret_arn
  secret_ids = {
    for key, arn in { ring = var.secret_arn, policy = local.policy_secret } :
    key => [arn, replace(arn, "/-[A-Za-z0-9]{6}$/", ""), replace(arn, "/^.*:secret:(.+)-[A-Za-z0-9]{6}$/", "$1")]
  }
  function_ids = {
    for key, name in var.function_names :
    key => [name, { prefix = "${name}:" }, { suffix = ":function:${name}" }, { wildcard = "*:function:${name}:*" }]
  }
  our_rules = [{ prefix = "${var.name}-guard-" }, local.check_rule_name]

  all_guards = {
    published-keys = {
      wanted = true
      says   = "The published key set was written by somebody else than the rotator"
      detail = {
        eventSource       = ["ssm.amazonaws.com"]
        requestParameters = { "$or" = [{ name = local.ssm_names.jwks }, { names = local.ssm_names.jwks }, { resourceId = local.ssm_names.jwks }] }
        "$or"             = [local.session_of.none, local.session_of.unknown, merge(local.session_of.rotator, { eventName = [{ anything-but = ["PutParameter"] }] })]
      }
    }

    ring = {
      wanted = true
      says   = "The secret that holds the signing keys was changed by somebody else than the rotator"
      detail = {
        eventSource       = ["secretsmanager.amazonaws.com"]
        requestParameters = { secretId = local.secret_ids.ring }
        "$or"             = [local.session_of.none, local.session_of.unknown, merge(local.session_of.rotator, { eventName = [{ anything-but = ["PutSecretValue", "UpdateSecretVersionStage"] }] })]
      }
    }

    policy-parameter = {
      wanted = try(var.policy_source.kind == "ssm", false)
      says   = "The policy, which says who gets which token, was changed"
      detail = merge(local.not_a_deployer, {
        eventSource       = ["ssm.amazonaws.com"]
        requestParameters = { "$or" = [{ name = local.ssm_names.policy }, { names = local.ssm_names.policy }, { resourceId = local.ssm_names.policy }] }
      })
    }

    policy-secret = {
      wanted = try(var.policy_source.kind == "secret", false)
      says   = "The policy, which says who gets which token, was changed"
      detail = merge(local.not_a_deployer, {
        eventSource       = ["secretsmanager.amazonaws.com"]
        requestParameters = { secretId = local.secret_ids.policy }
      })
    }

    # Invocations are data events. A trail that records them has one for each token.
    functions = {
      wanted = true
      says   = "Code, configuration, permissions or triggers of a function were changed"
      detail = {
        eventSource       = ["lambda.amazonaws.com"]
        requestParameters = { functionName = flatten([for key in ["jwt_issuer", "jwks", "key_rotator"] : local.function_ids[key]]) }
        "$or" = [
          merge(local.session_of.none, { eventName = [{ anything-but = { prefix = "Invoke" } }] }),
          merge(local.session_of.unknown, { eventName = [{ anything-but = { prefix = "Invoke" } }] }),
          merge(local.session_of.rotator, { eventName = [{ anything-but = { prefix = "UpdateFunctionConfiguration" } }] }),
        ]
      }
    }

    # Whoever invokes jwt-issuer can be anyone, and whoever invokes the rotator can revoke. This one needs a trail that
    # records invocations. Services are expected; that the gateway's calls look like this we could not try.
    invoked = {
      wanted = true
      says   = "A function that only AWS services should invoke was invoked directly"
      detail = {
        eventSource       = ["lambda.amazonaws.com"]
        eventName         = [{ prefix = "Invoke" }]
        requestParameters = { functionName = concat(local.function_ids.jwt_issuer, local.function_ids.key_rotator) }
        userIdentity      = merge(local.no_deployer, { type = [{ anything-but = ["AWSService"] }], invokedBy = [{ exists = false }] })
      }
    }

    # It does so for no other reason. Rare, and to be known.
    revoked = {
      wanted = true
      says   = "A key was revoked: the rotator made the instances of a function end"
      detail = merge(local.session_of.rotator, {
        eventSource = ["lambda.amazonaws.com"]
        eventName   = [{ prefix = "UpdateFunctionConfiguration" }]
      })
    }

    api = {
      wanted = true
      says   = "The API, its routes or its policy were changed"
      detail = merge(local.not_a_deployer, {
        eventSource = ["apigateway.amazonaws.com"]
        requestParameters = {
          for key, value in { "$or" = [{ restApiId = [var.api_id] }, { domainName = [var.domain_name] }], restApiId = [var.api_id] } :
          key => value if(key == "$or") == (var.domain_name != null)
        }
      })
    }

    ring-key = {
      wanted = var.kms_key != null
      says   = "The KMS key that encrypts the signing keys was changed"
      detail = merge(local.not_a_deployer, {
        eventSource       = ["kms.amazonaws.com"]
        eventName         = concat(["CreateGrant"], local.key_writes)
        requestParameters = { keyId = try([var.kms_key.arn, element(split("/", var.kms_key.arn), 1)], ["none"]) }
      })
    }

    # Which keys of the account are ours a pattern cannot tell: their ids change with each rotation, and events have no tags.
    signing-keys = {
      wanted = var.key_store == "kms"
      says   = "A KMS key of this account was changed. If it is one of the signing keys, somebody may sign with it"
      detail = {
        eventSource  = ["kms.amazonaws.com"]
        userIdentity = { "$or" = [local.session_of.none.userIdentity, local.session_of.unknown.userIdentity] }
        "$or"        = [{ eventName = local.key_writes }, { eventName = ["CreateGrant"], requestParameters = { operations = ["Sign"] } }]
      }
    }

    # A rule cannot tell of its own end. The other ones tell of none, so what is left is an SCP, and the alarm
    # `check-missing` for the check.
    watch = {
      wanted = true
      says   = "What watches over the deployment was changed: a rule, an alarm, the topic or a trail"
      detail = merge(local.not_a_deployer, {
        "$or" = [
          { eventSource = ["events.amazonaws.com"], requestParameters = { name = local.our_rules } },
          { eventSource = ["events.amazonaws.com"], requestParameters = { rule = local.our_rules } },
          { eventSource = ["monitoring.amazonaws.com"], requestParameters = { alarmName = [{ prefix = "${var.name}-" }] } },
          { eventSource = ["monitoring.amazonaws.com"], requestParameters = { alarmNames = [{ prefix = "${var.name}-" }] } },
          # Not the messages: where a trail records those, each would be the cause of the next.
          { eventSource = ["sns.amazonaws.com"], eventName = [{ anything-but = { prefix = "Publish" } }], requestParameters = { topicArn = [local.topic_arn] } },
          { eventSource = ["sns.amazonaws.com"], requestParameters = { subscriptionArn = [{ prefix = "${local.topic_arn}:" }] } },
          { eventSource = ["cloudtrail.amazonaws.com"], eventName = ["DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"] },
        ]
      })
    }

    # Also when Secrets Manager could not call the rotator at all, which no log of ours knows.
    rotation-failed = {
      wanted      = true
      says        = "A rotation failed or was given up. Runbook: A rotation fails"
      detail-type = "AWS Service Event via CloudTrail"
      detail = {
        eventSource         = ["secretsmanager.amazonaws.com"]
        eventName           = ["RotationAbandoned", "RotationFailed"]
        additionalEventData = { SecretId = [var.secret_arn] }
      }
    }

    # Reads, which are no writes, and are worth as much here.
    ring-read = {
      wanted = length(var.ring_reader_role_arns) > 0
      reads  = true
      says   = "The signing keys were read by somebody else than issuer and rotator"
      detail = {
        eventSource       = ["secretsmanager.amazonaws.com"]
        eventName         = ["GetSecretValue"]
        requestParameters = { secretId = local.secret_ids.ring }
        "$or"             = [local.session_of.none, local.session_of.no_reader]
      }
    }
    signed = {
      wanted = length(var.ring_reader_role_arns) > 0 && var.key_store == "kms"
      reads  = true
      says   = "Somebody else than the issuer signed with a KMS key of this account"
      detail = {
        eventSource = ["kms.amazonaws.com"]
        eventName   = ["Sign"]
        "$or"       = [local.session_of.none, local.session_of.no_reader]
      }
    }
  }

  key_writes = [
    "CancelKeyDeletion", "DeleteImportedKeyMaterial", "DisableKey", "EnableKey", "ImportKeyMaterial", "PutKeyPolicy",
    "ReplicateKey", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdatePrimaryRegion",
  ]

  guards = {
    for key, guard in local.all_guards : key => {
      says  = guard.says
      state = try(guard.reads, false) ? "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" : "ENABLED"
      pattern = jsonencode({
        source      = [{ prefix = "aws." }]
        detail-type = [try(guard.detail-type, "AWS API Call via CloudTrail")]
        detail      = guard.detail
      })
    } if guard.wanted
  }
  guard_names = { for key, guard in local.all_guards : key => "${var.name}-guard-${key}" if guard.wanted }
}

resource "aws_cloudwatch_event_rule" "guard" {
  for_each = local.guards

  name          = local.guard_names[each.key]
  description   = each.value.says
  event_pattern = each.value.pattern
  state         = each.value.state

  lifecycle {
    precondition {
      condition     = length(each.value.pattern) <= 2048
      error_message = "The pattern of ${each.key} is ${length(each.value.pattern)} characters long, and EventBridge takes 2048: name fewer deployer_role_arns."
    }
  }
}

resource "aws_cloudwatch_event_target" "guard" {
  for_each = local.guards

  rule      = aws_cloudwatch_event_rule.guard[each.key].name
  target_id = "alarms"
  arn       = local.topic_arn

  # What is not in an event stays empty.
  input_transformer {
    input_paths = {
      event   = "$.detail.eventName"
      who     = "$.detail.userIdentity.arn"
      type    = "$.detail.userIdentity.type"
      service = "$.detail.userIdentity.invokedBy"
      from    = "$.detail.sourceIPAddress"
      time    = "$.detail.eventTime"
      region  = "$.detail.awsRegion"
      error   = "$.detail.errorCode"
      id      = "$.detail.eventID"
    }
    input_template = "\"[${var.name}] ${each.value.says}: <event> by <who> (<type> <service>) from <from> at <time> in <region>. Error: <error>. CloudTrail event <id>.\""
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
