output "name" {
  description = "Name of the integration, for `DESCRIBE SECURITY INTEGRATION`."
  value       = snowflake_external_oauth_integration.this.name
}

output "fully_qualified_name" {
  description = "The same in quotes, for grants: USE_ANY_ROLE on it, with any_role_mode ENABLE_FOR_PRIVILEGE."
  value       = snowflake_external_oauth_integration.this.fully_qualified_name
}
