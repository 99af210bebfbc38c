# What the provider takes, with and without a domain, in both package types; and what each variable refuses. The real
# provider, offline: nothing is asked but who the account is, and that is overridden.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}
override_data {
  target = data.aws_partition.current
  values = { partition = "aws", dns_suffix = "amazonaws.com" }
}

variables {
  name              = "acme"
  region            = "eu-central-1"
  organization_ids  = ["o-abcde12345"]
  policy_file       = "tests/fixtures/policy.yaml"
  package_directory = "tests/fixtures/packages"
}

run "zip_without_a_domain" {
  command = plan

  assert {
    condition     = length(aws_api_gateway_domain_name.this) == 0 && length(module.certificate) == 0
    error_message = "without a domain the API answers on its own URL"
  }
  assert {
    condition     = module.policy.kind == "ssm" && length(terraform_data.keys_are_served) == 1
    error_message = "a small policy is a parameter, and apply waits for keys"
  }
}

run "zip_with_a_domain" {
  command = plan

  variables {
    domain_name  = "id.example.com"
    zone_id      = "Z0123456789ABCDEFGHIJ"
    architecture = "arm64"
  }

  assert {
    condition     = output.issuer_url == "https://id.example.com" && output.jwks_url == "https://id.example.com/.well-known/jwks.json"
    error_message = "the issuer is the domain"
  }
  assert {
    condition     = aws_api_gateway_domain_name.this[0].security_policy == "TLS_1_2" && aws_api_gateway_domain_name.this[0].endpoint_configuration[0].types == tolist(["REGIONAL"])
    error_message = "only the domain answers, with TLS 1.2 at least"
  }
  assert {
    condition     = length(module.certificate) == 1 && toset(keys(aws_route53_record.this)) == toset(["A", "AAAA"]) && output.domain_target == null
    error_message = "certificate and names are made"
  }
}

# crates/cli/tests/snowflake_sql.rs compares what `countersign snowflake-sql` writes with the same file.
run "sql_for_snowflake" {
  command = plan

  variables {
    domain_name = "id.example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
    policy_file = "tests/fixtures/snowflake-policy.yaml"
  }

  assert {
    condition     = output.snowflake_sql == file("tests/fixtures/snowflake.sql")
    error_message = "the command and the output say the same, byte for byte"
  }
  assert {
    condition     = { for name, audience in output.snowflake_audiences : name => audience.any_role } == { any-role = true, snowflake = false, "hostile';DROP-USER-JANE" = false }
    error_message = "only rules of the audience itself enable any role"
  }
}

run "a_domain_with_a_certificate_of_ones_own" {
  command = plan

  variables {
    domain_name     = "id.example.com"
    certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/0a1b2c3d"
  }

  assert {
    condition     = length(module.certificate) == 0 && length(aws_route53_record.this) == 0 && aws_api_gateway_domain_name.this[0].regional_certificate_arn == var.certificate_arn
    error_message = "neither certificate nor names are made"
  }
}

run "images" {
  command = plan

  variables {
    package_type = "Image"
  }

  assert {
    condition     = alltrue([for f in [module.jwt_issuer, module.jwks, module.key_rotator] : f.package_file == null])
    error_message = "no zip is read"
  }
  assert {
    condition     = length(module.ecr) == 1 && alltrue([for tag in values(local.tags) : can(regex("^[0-9a-f]{12}$", tag))])
    error_message = "each image is tagged by what its binary is"
  }
}

run "a_large_policy" {
  command = plan

  variables {
    policy_file = "tests/fixtures/large-policy.yaml"
  }

  assert {
    condition     = module.policy.kind == "secret"
    error_message = "above 8 KiB the policy is a secret"
  }
}

run "the_key_recovery_is_waived_by_name_only" {
  command = plan

  variables {
    dangerous_waive_key_recovery = true
  }

  assert {
    condition     = module.keys.recovery_window_in_days == 0 && !strcontains(module.keys.secret_policy, "ForceDeleteWithoutRecovery")
    error_message = "keys can be deleted at once"
  }
}

run "bad_values" {
  command = plan

  variables {
    name                    = "Acme"
    organization_ids        = ["r-abcd"]
    zone_id                 = "example.com"
    certificate_arn         = "arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d"
    package_type            = "Jar"
    architecture            = "amd64"
    image_revision          = "a b"
    key_store               = "hsm"
    key_lanes               = ["ES256"]
    rotation_days           = 1
    announce_for            = "1 day"
    retire_for              = "24"
    waf                     = { mode = "off" }
    log_retention_days      = 0
    log_kms_key_arn         = "alias/logs"
    alarm_topic_kms_key_arn = "alias/aws/sns"
    alarm_emails            = ["ops"]
    deployer_role_arns      = ["arn:aws:sts::111122223333:assumed-role/deploy/me"]
    operator_role_arns      = ["arn:aws:iam::111122223333:role/*"]
    jwks_probe_url          = "http://id.example.com/jwks"
    token_throttle          = { rate = 0, burst = 1 }
    public_throttle         = { rate = 1, burst = 0 }
    provisioned_concurrency = { jwt_issuer = -1 }
    memory_mb               = 64
  }

  expect_failures = [
    var.name, var.organization_ids, var.zone_id, var.certificate_arn, var.package_type, var.architecture,
    var.image_revision, var.key_store, var.key_lanes, var.rotation_days, var.announce_for, var.retire_for, var.waf,
    var.log_retention_days, var.log_kms_key_arn, var.alarm_topic_kms_key_arn, var.alarm_emails, var.deployer_role_arns,
    var.operator_role_arns, var.jwks_probe_url, var.token_throttle, var.public_throttle, var.provisioned_concurrency,
    var.memory_mb,
  ]
}

run "bad_region" {
  command = plan

  variables {
    region = "frankfurt"
  }

  expect_failures = [var.region]
}

run "a_domain_that_is_a_url" {
  command = plan

  variables {
    domain_name = "https://id.example.com"
    zone_id     = "Z0123456789ABCDEFGHIJ"
  }

  expect_failures = [var.domain_name]
}

run "a_domain_that_nobody_can_prove" {
  command = plan

  variables {
    domain_name = "id.example.com"
  }

  expect_failures = [var.domain_name]
}

run "a_zone_without_a_domain" {
  command = plan

  variables {
    zone_id = "Z0123456789ABCDEFGHIJ"
  }

  expect_failures = [var.domain_name]
}
