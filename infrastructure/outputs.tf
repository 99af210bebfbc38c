output "issuer_url" {
  description = "What `iss` says, byte for byte, and what relying parties are told."
  value       = local.issuer_url
}

output "token_url" {
  description = "Where tokens are asked for: POST, signed with SigV4 for the service execute-api."
  value       = local.token_url
}

output "jwks_url" {
  description = "Where relying parties fetch the public keys."
  value       = local.jwks_url
}

output "discovery_url" {
  description = "The OpenID Connect discovery document."
  value       = local.discovery
}

output "api_id" {
  description = "Id of the API."
  value       = module.api.id
}

output "stage_name" {
  description = "The API's stage."
  value       = local.stage_name
}

output "domain_target" {
  description = "With a domain and without zone_id: the name that the domain's DNS record has to point to."
  value       = local.own_domain && !local.own_zone ? aws_api_gateway_domain_name.this[0].regional_domain_name : null
}

output "function_names" {
  description = "The functions, by what they are."
  value       = local.functions
}

output "signing_key_secret_arn" {
  description = "The secret that holds the key ring."
  value       = module.keys.secret_arn
}

output "jwks_parameter" {
  description = "The parameter that holds the public keys."
  value       = module.keys.jwks_parameter
}

output "policy_source" {
  description = "Where the issuer reads the policy."
  value       = module.policy.source
}

output "alarm_topic_arn" {
  description = "The SNS topic of all alarms."
  value       = module.observability.alarm_topic_arn
}

output "invoke_policy" {
  description = "The statement that the roles and permission sets of callers need; callers of other accounts beside the API's own policy, which lets them in."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "AskForTokens"
      Effect   = "Allow"
      Action   = "execute-api:Invoke"
      Resource = module.api.token_arn
    }]
  })
}

output "scp" {
  description = "A service control policy for the organisation, on who may use keys, secret and functions: scp.tf says what each statement is for."
  value       = local.scp

  precondition {
    condition     = length(local.scp) <= 5120
    error_message = "The service control policy is longer than the 5120 characters that AWS Organizations takes: name fewer deployer_role_arns and operator_role_arns."
  }
}

output "scp_deployment" {
  description = "Another one, that only deployers change what was deployed; null as long as deployer_role_arns names none."
  value       = local.scp_deployment

  precondition {
    condition     = local.scp_deployment == null ? true : length(local.scp_deployment) <= 5120
    error_message = "The service control policy for the deployment is longer than the 5120 characters that AWS Organizations takes: name fewer deployer_role_arns."
  }
}

locals {
  audiences           = try(module.policy.document.audiences, {})
  snowflake_audiences = { for name, audience in local.audiences : name => audience.aud if try(audience.profile, "") == "snowflake" }
  sts_audiences       = [for audience in values(local.audiences) : audience.aud if try(audience.profile, "") == "aws"]

  # By audience: only its own rules say what its tokens may ask for.
  any_role = {
    for name in keys(local.snowflake_audiences) : name => anytrue([
      for rule in try(module.policy.document.rules, []) :
      contains(try(rule.grant.audiences, []), name) && contains([for scope in try(rule.grant.scopes, []) : lower(scope)], "session:role-any")
    ])
  }
}

# Word for word what `countersign snowflake-sql --form external-oauth --name NAME` writes: both are compared with
# tests/fixtures/snowflake.sql. Users and roles are the command's alone.
output "snowflake_sql" {
  description = "For each audience of the policy with the profile snowflake: the security integration, to be run once by ACCOUNTADMIN in the account that the audience names."
  value = join("\n", [for name, aud in local.snowflake_audiences : <<-SQL
    -- ${name}
    CREATE SECURITY INTEGRATION ${upper(replace("${var.name}_${name}", "/[^A-Za-z0-9_]/", "_"))}
      TYPE = EXTERNAL_OAUTH
      ENABLED = TRUE
      EXTERNAL_OAUTH_TYPE = CUSTOM
      EXTERNAL_OAUTH_ISSUER = '${local.issuer_url}'
      EXTERNAL_OAUTH_JWS_KEYS_URL = '${local.jwks_url}'
      EXTERNAL_OAUTH_AUDIENCE_LIST = ('${replace(replace(aud, "\\", "\\\\"), "'", "''")}')
      EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM = 'sub'
      EXTERNAL_OAUTH_SNOWFLAKE_USER_MAPPING_ATTRIBUTE = 'login_name'
      EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE = 'scp'
      EXTERNAL_OAUTH_ANY_ROLE_MODE = '${local.any_role[name] ? "ENABLE" : "DISABLE"}';
    SQL
  ])
}

# What the module snowflake_oauth, in a root of its own, is given.
output "snowflake_audiences" {
  description = "The audiences of the policy with the profile snowflake: `aud`, and whether a rule grants session:role-any."
  value       = { for name, aud in local.snowflake_audiences : name => { aud = aud, any_role = local.any_role[name] } }
}

output "oidc_provider" {
  description = "What an AWS account runs once to trust the issuer in its roles' trust policies."
  value       = "aws iam create-open-id-connect-provider --url ${local.issuer_url} --client-id-list ${join(" ", [for aud in distinct(coalescelist(local.sts_audiences, ["sts.amazonaws.com"])) : "'${replace(aud, "'", "'\\''")}'"])}"
}

output "try_it" {
  description = "A token with the credentials at hand, by curl alone. They go through a pipe, since arguments can be seen by other processes."
  value       = <<-SH
    (eval "$(aws configure export-credentials --format env)"; printf 'user = "%s:%s"\nheader = "x-amz-security-token: %s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_SESSION_TOKEN") | curl --config - --aws-sigv4 aws:amz:${var.region}:execute-api --request POST ${local.token_url}
  SH
}
