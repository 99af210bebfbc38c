output "issuer_url" {
  description = "What `iss` says, byte for byte, and what relying parties are told."
  value       = local.issuer_url
}

output "token_url" {
  description = "Where tokens are asked for: POST, signed with SigV4 for the service execute-api."
  value       = "${local.issuer_url}/token"
}

output "jwks_url" {
  description = "Where relying parties fetch the public keys."
  value       = local.jwks_url
}

output "function_names" {
  description = "The functions, by what they are."
  value       = local.functions
}

output "invoke_policy" {
  description = "The statement that the roles of callers need. There is no other way in: an HTTP API has no policy of its own."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "AskForTokens"
      Effect   = "Allow"
      Action   = "execute-api:Invoke"
      Resource = local.token_arn
    }]
  })
}
