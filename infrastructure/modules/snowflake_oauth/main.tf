# The security integration of External OAuth that takes our tokens, by Snowflake's own provider. The same as SQL:
# `countersign snowflake-sql`, and the root's output snowflake_sql.

resource "snowflake_external_oauth_integration" "this" {
  name    = var.name
  enabled = var.enabled
  comment = var.comment

  external_oauth_type         = "CUSTOM"
  external_oauth_issuer       = var.issuer_url
  external_oauth_jws_keys_url = [var.jwks_url == null ? "${var.issuer_url}/.well-known/jwks.json" : var.jwks_url]

  external_oauth_audience_list                    = var.audiences
  external_oauth_token_user_mapping_claim         = var.user_mapping_claims
  external_oauth_snowflake_user_mapping_attribute = var.user_mapping_attribute
  external_oauth_scope_mapping_attribute          = var.scope_attribute
  external_oauth_any_role_mode                    = var.any_role_mode

  # The provider takes one of the two.
  external_oauth_allowed_roles_list = length(var.allowed_roles) == 0 ? null : var.allowed_roles
  external_oauth_blocked_roles_list = length(var.blocked_roles) == 0 ? null : var.blocked_roles
}
