# What each policy says, word for word. Nothing is asked: the provider is a mock that gives out ids, so that policies which
# name them can be read. What the provider itself refuses is in plan.tftest.hcl.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_resource "aws_api_gateway_rest_api" {
    defaults = {
      id               = "a1b2c3d4e5"
      execution_arn    = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5"
      root_resource_id = "root"
    }
  }
  mock_resource "aws_api_gateway_stage" {
    defaults = { arn = "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3d4e5/stages/v1" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = {
      id  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/keys-AbCdEf"
      arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/keys-AbCdEf"
    }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/acme-role" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:acme" }
  }
  mock_resource "aws_acm_certificate" {
    defaults = { arn = "arn:aws:acm:eu-central-1:111122223333:certificate/0a1b2c3d" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:111122223333:acme-alarms" }
  }
  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/acme/1" }
  }
}

override_resource {
  target = module.keys.aws_ssm_parameter.jwks
  values = { arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/acme/jwks" }
}
override_resource {
  target = module.policy.aws_ssm_parameter.policy
  values = { arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/acme/policy" }
}
override_resource {
  target = module.jwt_issuer.aws_lambda_function.this
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:acme-jwt-issuer"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:acme-jwt-issuer/invocations"
  }
}
override_resource {
  target = module.jwks.aws_lambda_function.this
  values = {
    arn        = "arn:aws:lambda:eu-central-1:111122223333:function:acme-jwks"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:acme-jwks/invocations"
  }
}
override_resource {
  target = module.key_rotator.aws_lambda_function.this
  values = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:acme-key-rotator" }
}
override_resource {
  target = module.jwt_issuer.aws_cloudwatch_log_group.this
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/acme-jwt-issuer" }
}
override_resource {
  target = module.jwks.aws_cloudwatch_log_group.this
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/acme-jwks" }
}
override_resource {
  target = module.key_rotator.aws_cloudwatch_log_group.this
  values = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/acme-key-rotator" }
}

variables {
  name              = "acme"
  region            = "eu-central-1"
  organization_ids  = ["o-abcde12345"]
  policy_file       = "tests/fixtures/policy.yaml"
  package_directory = "tests/fixtures/packages"
  await_keys        = false
}

run "defaults" {
  command = apply

  # --- Routes

  assert {
    condition     = module.api.methods == { "POST /token" = "AWS_IAM", "GET /.well-known/jwks.json" = "NONE", "HEAD /.well-known/jwks.json" = "NONE", "GET /.well-known/jwks" = "NONE", "HEAD /.well-known/jwks" = "NONE", "GET /.well-known/openid-configuration" = "NONE", "HEAD /.well-known/openid-configuration" = "NONE", "GET /.well-known/oauth-authorization-server" = "NONE", "HEAD /.well-known/oauth-authorization-server" = "NONE" }
    error_message = "exactly the routes of the contract, and only a signed request reaches /token"
  }
  assert {
    condition = jsondecode(module.api.resource_policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "EverybodyReadsKeys", Effect = "Allow", Principal = "*", Action = "execute-api:Invoke"
          Resource = ["arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/GET/.well-known/*", "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/HEAD/.well-known/*"]
        },
        {
          Sid       = "OurPrincipalsAskForTokens", Effect = "Allow", Principal = "*", Action = "execute-api:Invoke"
          Resource  = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/POST/token"
          Condition = { StringEquals = { "aws:PrincipalOrgID" = ["o-abcde12345"] } }
        },
        {
          Sid       = "NobodyElseDoes", Effect = "Deny", Principal = "*", Action = "execute-api:Invoke"
          Resource  = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/POST/token"
          Condition = { StringNotEquals = { "aws:PrincipalOrgID" = ["o-abcde12345"] } }
        },
        {
          Sid      = "NobodyWearsANameOfIdentityCenter", Effect = "Deny", Principal = "*", Action = "execute-api:Invoke"
          Resource = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/POST/token"
          Condition = {
            StringLike    = { "aws:PrincipalArn" = "arn:aws:iam::*:role/*AWSReservedSSO_*" }
            StringNotLike = { "aws:PrincipalArn" = "arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/*" }
          }
        },
      ]
    }
    error_message = "the API's resource policy"
  }

  # --- Who may invoke what

  assert {
    condition     = aws_lambda_permission.token.principal == "apigateway.amazonaws.com" && aws_lambda_permission.token.source_arn == "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/POST/token"
    error_message = "jwt-issuer is invoked by one route of one stage of one API"
  }
  assert {
    condition     = { for method, permission in aws_lambda_permission.public : method => [permission.principal, permission.source_arn] } == { for method in ["GET", "HEAD"] : method => ["apigateway.amazonaws.com", "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/${method}/.well-known/*"] }
    error_message = "jwks is invoked by the public routes of one stage of one API"
  }
  assert {
    condition     = module.keys.rotation_permission == { principal = "secretsmanager.amazonaws.com", source_arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/keys-AbCdEf", source_account = "111122223333" }
    error_message = "key-rotator is invoked by Secrets Manager for one secret of this account"
  }

  # --- What each role may do

  assert {
    condition = jsondecode(module.jwt_issuer.policy).Statement == [
      { Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/keys-AbCdEf"] },
      { Effect = "Allow", Action = ["ssm:GetParameter"], Resource = ["arn:aws:ssm:eu-central-1:111122223333:parameter/acme/policy"] },
      { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/acme-jwt-issuer:*"] },
      { Sid = "NothingElse", Effect = "Deny", NotAction = ["secretsmanager:GetSecretValue", "ssm:GetParameter", "logs:CreateLogStream", "logs:PutLogEvents", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"], Resource = "*" },
    ]
    error_message = "jwt-issuer reads the ring and the policy, writes its log, and is denied everything else"
  }
  assert {
    condition = jsondecode(module.jwks.policy).Statement == [
      { Effect = "Allow", Action = ["ssm:GetParameter"], Resource = ["arn:aws:ssm:eu-central-1:111122223333:parameter/acme/jwks"] },
      { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/acme-jwks:*"] },
      { Sid = "NothingElse", Effect = "Deny", NotAction = ["ssm:GetParameter", "logs:CreateLogStream", "logs:PutLogEvents", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"], Resource = "*" },
    ]
    error_message = "jwks reads the key set, writes its log, and is denied everything else but what AWS does for it with its own keys"
  }
  assert {
    condition = jsondecode(module.key_rotator.policy).Statement == [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
        Resource = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/keys-AbCdEf"]
      },
      { Effect = "Allow", Action = ["ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter"], Resource = ["arn:aws:ssm:eu-central-1:111122223333:parameter/acme/jwks"] },
      {
        Effect   = "Allow"
        Action   = ["lambda:GetFunctionConfiguration", "lambda:UpdateFunctionConfiguration"]
        Resource = ["arn:aws:lambda:eu-central-1:111122223333:function:acme-jwks", "arn:aws:lambda:eu-central-1:111122223333:function:acme-jwt-issuer"]
      },
      { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/acme-key-rotator:*"] },
      {
        Sid       = "NothingElse", Effect = "Deny", Resource = "*"
        NotAction = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage", "ssm:GetParameter", "ssm:GetParameterHistory", "ssm:PutParameter", "lambda:GetFunctionConfiguration", "lambda:UpdateFunctionConfiguration", "logs:CreateLogStream", "logs:PutLogEvents", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      },
    ]
    error_message = "key-rotator writes ring and key set, ends instances, writes its log, and is denied everything else"
  }
  assert {
    condition     = alltrue([for role in [module.jwt_issuer, module.jwks, module.key_rotator] : jsondecode(role.trust).Statement == [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]])
    error_message = "only Lambda takes the roles"
  }

  # --- Who may read the secret

  assert {
    condition = { for s in jsondecode(module.keys.secret_policy).Statement : s.Sid => [s.Effect, s.Principal, s.Action, s.Resource, try(s.Condition, null)] } == {
      OnlyIssuerAndRotatorRead = ["Deny", "*", "secretsmanager:GetSecretValue", "*", { ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/acme-jwt-issuer", "arn:aws:iam::111122223333:role/acme-key-rotator"] } }]
      OnlyTheRotatorWrites     = ["Deny", "*", "secretsmanager:PutSecretValue", "*", { ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/acme-key-rotator"] } }]
      LabelsAreTheRotators     = ["Deny", "*", "secretsmanager:UpdateSecretVersionStage", "*", { ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/acme-key-rotator"] } }]
      NoCopyElsewhere          = ["Deny", "*", "secretsmanager:ReplicateSecretToRegions", "*", null]
      NotWithoutRecovery       = ["Deny", "*", "secretsmanager:DeleteSecret", "*", { Bool = { "secretsmanager:ForceDeleteWithoutRecovery" = "true" } }]
    }
    error_message = "the secret's own policy"
  }
  assert {
    condition     = module.keys.recovery_window_in_days == 30
    error_message = "a deleted secret can be brought back for 30 days"
  }

  # --- What the functions are told

  assert {
    condition = module.jwt_issuer.environment == tomap({
      SSL_CERT_FILE          = "/etc/pki/tls/certs/ca-bundle.crt"
      JWT_ISSUER_URL         = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
      SIGNING_KEY_SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/keys-AbCdEf"
      POLICY_SOURCE          = "ssm:/acme/policy"
      GATEWAY                = "rest"
      GATEWAY_API_ID         = "a1b2c3d4e5"
      ALLOWED_ORG_IDS        = "o-abcde12345"
    })
    error_message = "jwt-issuer's environment"
  }
  assert {
    condition     = module.key_rotator.environment["RESTART_FUNCTIONS"] == "acme-jwks,acme-jwt-issuer" && module.key_rotator.environment["PUBLIC_JWKS_URL"] == output.jwks_url
    error_message = "key-rotator ends the instances of both functions, and looks where relying parties look"
  }
  assert {
    condition     = module.key_rotator.reserved_concurrency == 1
    error_message = "one rotation at a time"
  }

  # --- Outputs

  assert {
    condition     = output.issuer_url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1" && output.jwks_url == "${output.issuer_url}/.well-known/jwks.json" && output.token_url == "${output.issuer_url}/token" && output.discovery_url == "${output.issuer_url}/.well-known/openid-configuration"
    error_message = "URLs"
  }
  assert {
    condition     = jsondecode(output.invoke_policy).Statement == [{ Sid = "AskForTokens", Effect = "Allow", Action = "execute-api:Invoke", Resource = "arn:aws:execute-api:eu-central-1:111122223333:a1b2c3d4e5/v1/POST/token" }]
    error_message = "what callers need"
  }
  assert {
    condition     = strcontains(output.snowflake_sql, "EXTERNAL_OAUTH_ISSUER = '${output.issuer_url}'") && strcontains(output.snowflake_sql, "('https://acme-prod.snowflakecomputing.com')") && strcontains(output.snowflake_sql, "EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE = 'scp'") && !strcontains(output.snowflake_sql, "sts.amazonaws.com")
    error_message = "one integration for each snowflake audience, which reads scp"
  }
  assert {
    condition     = output.oidc_provider == "aws iam create-open-id-connect-provider --url ${output.issuer_url} --client-id-list 'sts.amazonaws.com'"
    error_message = "the provider for AWS"
  }
  assert {
    condition     = strcontains(output.try_it, "curl --config - --aws-sigv4 aws:amz:eu-central-1:execute-api --request POST ${output.token_url}")
    error_message = "the line to try"
  }
  assert {
    condition     = [for s in jsondecode(output.scp).Statement : s.Sid] == ["NamesOfIdentityCenterAreAws", "OnlyTheGatewayAsksForTokens", "OnlyIssuerAndRotatorReadTheRing", "OnlyTheRotatorWritesTheRing", "LabelsAreTheRotators", "OnlyTheRotatorPublishes"] && output.scp_deployment == null
    error_message = "without deployers and operators the SCP locks nobody out"
  }

  # --- No wildcards, in no policy that allows

  assert {
    condition = alltrue(flatten([
      for document in [module.jwt_issuer.policy, module.jwks.policy, module.key_rotator.policy] : [
        for s in jsondecode(document).Statement :
        alltrue([for text in concat(s.Action, [for r in s.Resource : trimsuffix(r, ":*")]) : !strcontains(text, "*")]) if s.Effect == "Allow"
      ]
    ]))
    error_message = "no role is allowed an action or a resource by wildcard, the streams of its own log apart"
  }
}

run "keys_in_kms_and_a_key_for_the_secret" {
  command = apply

  variables {
    key_store            = "kms"
    key_lanes            = ["RS256", "ES256"]
    customer_managed_key = true
  }

  assert {
    condition     = endswith(module.jwt_issuer.package_file, "arm64/jwt-issuer-kms.zip") && endswith(module.key_rotator.package_file, "arm64/key-rotator-kms.zip") && endswith(module.jwks.package_file, "arm64/jwks.zip")
    error_message = "the builds that know KMS, for the two that need it"
  }
  assert {
    condition     = module.key_rotator.environment["KEY_STORE"] == "kms" && module.key_rotator.environment["KEY_LANES"] == "RS256,ES256"
    error_message = "key-rotator's environment"
  }
  assert {
    condition = slice(jsondecode(module.jwt_issuer.policy).Statement, 2, 4) == [
      { Effect = "Allow", Action = ["kms:Decrypt"], Resource = ["arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d"] },
      {
        Effect    = "Allow", Action = ["kms:Sign"], Resource = ["arn:aws:kms:eu-central-1:111122223333:key/*"]
        Condition = { StringEquals = { "aws:ResourceTag/countersign:secret" = module.keys.secret_arn } }
      },
    ]
    error_message = "jwt-issuer decrypts the ring and signs with the keys of this ring, and with no other"
  }
  assert {
    condition = slice(jsondecode(module.key_rotator.policy).Statement, 3, 6) == [
      { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = ["arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d"] },
      {
        Effect    = "Allow", Action = ["kms:CreateKey", "kms:TagResource"], Resource = ["*"]
        Condition = { StringEquals = { "aws:RequestTag/countersign:secret" = module.keys.secret_arn } }
      },
      {
        Effect    = "Allow", Action = ["kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:DescribeKey"], Resource = ["arn:aws:kms:eu-central-1:111122223333:key/*"]
        Condition = { StringEquals = { "aws:ResourceTag/countersign:secret" = module.keys.secret_arn } }
      },
    ]
    error_message = "key-rotator makes keys with this ring's tag and touches those alone, and may not sign"
  }
  assert {
    condition     = !strcontains(jsonencode([for s in jsondecode(module.jwks.policy).Statement : s if s.Effect == "Allow"]), "kms:")
    error_message = "jwks has nothing to do with KMS"
  }
  assert {
    condition = alltrue([
      for s in jsondecode(module.keys.key_policy).Statement : s.Principal == { AWS = "arn:aws:iam::111122223333:root" } && s.Effect == "Allow" &&
      (s.Sid == "Administration" ? alltrue([for a in s.Action : !strcontains(a, "*") && !contains(["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant"], a)]) : s.Condition.StringEquals["kms:ViaService"] == ["secretsmanager.eu-central-1.amazonaws.com"])
    ])
    error_message = "administrators of the key cannot decrypt, and nobody decrypts but through Secrets Manager"
  }
  assert {
    condition = [for s in jsondecode(module.keys.key_policy).Statement : s if s.Sid == "IssuerAndRotatorDecryptTheRing"][0].Condition == {
      ArnEquals    = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/acme-jwt-issuer", "arn:aws:iam::111122223333:role/acme-key-rotator"] }
      StringEquals = { "kms:ViaService" = ["secretsmanager.eu-central-1.amazonaws.com"] }
      StringLike   = { "kms:EncryptionContext:SecretARN" = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/keys-*" }
    }
    error_message = "only issuer and rotator decrypt the ring"
  }
}

run "the_way_back_from_kms" {
  command = apply

  variables {
    key_store = "secret"
    keep_kms  = true
  }

  assert {
    condition     = endswith(module.jwt_issuer.package_file, "jwt-issuer-kms.zip") && endswith(module.key_rotator.package_file, "key-rotator-kms.zip") && module.key_rotator.environment["KEY_STORE"] == "secret"
    error_message = "new keys are made in the secret, by builds that still know the old ones"
  }
  assert {
    condition     = strcontains(module.jwt_issuer.policy, "\"kms:Sign\"") && strcontains(module.key_rotator.policy, "kms:ScheduleKeyDeletion")
    error_message = "and may still use and end them"
  }
}

run "callers_of_this_account_alone" {
  command = apply

  variables {
    organization_ids                  = []
    deny_forged_identity_center_names = false
    waf                               = { enabled = false }
    manage_api_gateway_account        = false
  }

  assert {
    condition     = [for s in jsondecode(module.api.resource_policy).Statement : [s.Sid, try(s.Condition, null)]] == [["EverybodyReadsKeys", null], ["OurPrincipalsAskForTokens", { StringEquals = { "aws:PrincipalAccount" = ["111122223333"] } }], ["NobodyElseDoes", { StringNotEquals = { "aws:PrincipalAccount" = ["111122223333"] } }]]
    error_message = "without an organisation, this account alone"
  }
  assert {
    condition     = !contains(keys(module.jwt_issuer.environment), "ALLOWED_ORG_IDS")
    error_message = "an empty ALLOWED_ORG_IDS would be a fault of the function"
  }
  assert {
    condition     = length(module.waf) == 0 && length(module.api.logs_role_arn[*]) == 0
    error_message = "what is switched off is not there"
  }
}

run "deployers_and_operators" {
  command = apply

  variables {
    deployer_role_arns = ["arn:aws:iam::111122223333:role/ci/deploy"]
    operator_role_arns = ["arn:aws:iam::111122223333:role/keys"]
    domain_name        = "id.example.com"
    certificate_arn    = "arn:aws:acm:eu-central-1:111122223333:certificate/0a1b2c3d"
    key_store          = "kms"
  }

  assert {
    condition = { for s in jsondecode(output.scp).Statement : s.Sid => try(s.Condition.ArnNotEquals["aws:PrincipalArn"], []) } == {
      NamesOfIdentityCenterAreAws     = []
      OnlyTheGatewayAsksForTokens     = []
      OnlyOperatorsAskTheRotator      = ["arn:aws:iam::111122223333:role/keys", "arn:aws:iam::111122223333:role/ci/deploy"]
      OnlyIssuerAndRotatorReadTheRing = ["arn:aws:iam::111122223333:role/acme-jwt-issuer", "arn:aws:iam::111122223333:role/acme-key-rotator"]
      OnlyTheRotatorWritesTheRing     = ["arn:aws:iam::111122223333:role/acme-key-rotator"]
      LabelsAreTheRotators            = ["arn:aws:iam::111122223333:role/acme-key-rotator", "arn:aws:iam::111122223333:role/keys"]
      OnlyTheRotatorPublishes         = ["arn:aws:iam::111122223333:role/acme-key-rotator", "arn:aws:iam::111122223333:role/ci/deploy"]
      OnlyTheIssuerSigns              = ["arn:aws:iam::111122223333:role/acme-jwt-issuer"]
      SigningKeysAreTheRotators       = ["arn:aws:iam::111122223333:role/acme-key-rotator", "arn:aws:iam::111122223333:role/keys"]
    }
    error_message = "who is excepted from which statement of the SCP"
  }
  assert {
    condition     = alltrue([for s in jsondecode(output.scp).Statement : s.Condition.StringEquals == { "aws:ResourceTag/countersign:secret" = module.keys.secret_arn } if contains(["OnlyTheIssuerSigns", "SigningKeysAreTheRotators"], s.Sid)])
    error_message = "of the account's KMS keys, the SCP means those of the ring"
  }
  assert {
    condition = { for s in jsondecode(output.scp_deployment).Statement : s.Sid => s.Condition.ArnNotEquals["aws:PrincipalArn"] } == {
      OnlyDeployersChangeApi                 = ["arn:aws:iam::111122223333:role/ci/deploy"]
      OnlyDeployersChangeFunctions           = ["arn:aws:iam::111122223333:role/acme-key-rotator", "arn:aws:iam::111122223333:role/ci/deploy"]
      OnlyDeployersChangeRoles               = ["arn:aws:iam::111122223333:role/ci/deploy"]
      OnlyDeployersChangeSecretsAndThePolicy = ["arn:aws:iam::111122223333:role/ci/deploy"]
      OnlyDeployersChangeWatch               = ["arn:aws:iam::111122223333:role/ci/deploy"]
    }
    error_message = "who changes what was deployed"
  }
  assert {
    condition = [for s in jsondecode(output.scp_deployment).Statement : s.Resource if s.Sid == "OnlyDeployersChangeApi"] == [[
      "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3d4e5", "arn:aws:apigateway:eu-central-1::/restapis/a1b2c3d4e5/*",
      "arn:aws:apigateway:eu-central-1::/domainnames/id.example.com", "arn:aws:apigateway:eu-central-1::/domainnames/id.example.com/*",
    ]]
    error_message = "nobody else puts another integration behind the API, or another API behind the domain"
  }
  assert {
    condition = alltrue([
      for document in [output.scp, output.scp_deployment] : length(document) <= 5120 && alltrue([for s in jsondecode(document).Statement : s.Effect == "Deny" && alltrue([for a in s.Action : !strcontains(a, "*")])])
    ])
    error_message = "SCPs that deny, action by action, and fit"
  }
  assert {
    condition     = [for s in jsondecode(module.keys.secret_policy).Statement : s.Condition if s.Sid == "OnlyDeployersUpdate"] == [{ ArnNotEquals = { "aws:PrincipalArn" = ["arn:aws:iam::111122223333:role/ci/deploy"] } }]
    error_message = "UpdateSecret, which could write a ring, is for deployers"
  }
}

run "instances_kept_ready" {
  command = apply

  variables {
    provisioned_concurrency = { jwt_issuer = 2 }
  }

  assert {
    condition     = module.jwt_issuer.qualifier == "live" && module.jwks.qualifier == null && module.key_rotator.environment["RESTART_FUNCTIONS"] == "acme-jwks"
    error_message = "the alias is invoked, and the rotator does not claim to end what it cannot end"
  }
}
