# What the module refuses of what a role may do, and of everything else: as in refusals_of_trust.tftest.hcl.

variables {
  name                 = "github-acme"
  account_id           = "111122223333"
  partition            = "aws"
  permissions_boundary = null
  roles                = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } } } }
}

run "a_boundary_by_name" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, permissions_boundary = "ci-boundary" } }
  }
  expect_failures = [var.roles]
}

run "a_session_that_is_too_short" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, max_session_duration = 900 } }
  }
  expect_failures = [var.roles]
}

run "a_session_that_is_too_long" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, max_session_duration = 43201 } }
  }
  expect_failures = [var.roles]
}

run "every_function" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, lambda_functions = ["arn:aws:lambda:eu-central-1:111122223333:function:*"] } }
  }
  expect_failures = [var.roles]
}

run "a_function_with_an_alias" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, lambda_functions = ["arn:aws:lambda:eu-central-1:111122223333:function:app:live"] } }
  }
  expect_failures = [var.roles]
}

run "a_prefix_without_its_slash" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, s3_prefixes = [{ bucket = "acme-releases", prefix = "app" }] } }
  }
  expect_failures = [var.roles]
}

run "a_whole_bucket" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, s3_prefixes = [{ bucket = "acme-releases", prefix = "" }] } }
  }
  expect_failures = [var.roles]
}

run "a_prefix_with_a_slash_in_front" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, s3_prefixes = [{ bucket = "acme-releases", prefix = "/app/" }] } }
  }
  expect_failures = [var.roles]
}

run "a_prefix_with_a_wildcard" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, s3_prefixes = [{ bucket = "acme-releases", prefix = "*/" }] } }
  }
  expect_failures = [var.roles]
}

run "a_bucket_with_a_wildcard" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, s3_prefixes = [{ bucket = "acme-*", prefix = "app/" }] } }
  }
  expect_failures = [var.roles]
}

run "an_account_that_is_none" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, s3_prefixes = [{ bucket = "acme-releases", prefix = "app/", account_id = "1" }] } }
  }
  expect_failures = [var.roles]
}

run "every_role_to_pass" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, pass_roles = [{ role_arns = ["arn:aws:iam::111122223333:role/*"], service = "lambda.amazonaws.com" }] } }
  }
  expect_failures = [var.roles]
}

run "no_role_to_pass" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, pass_roles = [{ role_arns = [], service = "lambda.amazonaws.com" }] } }
  }
  expect_failures = [var.roles]
}

run "a_role_passed_to_anything" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, pass_roles = [{ role_arns = ["arn:aws:iam::111122223333:role/app"], service = "*" }] } }
  }
  expect_failures = [var.roles]
}

run "a_managed_policy_by_name" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, managed_policy_arns = ["ReadOnlyAccess"] } }
  }
  expect_failures = [var.roles]
}

run "an_inline_policy_that_is_no_json" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, inline_policy = "s3:*" } }
  }
  expect_failures = [var.roles]
}

run "an_inline_policy_without_a_statement" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, inline_policy = "{}" } }
  }
  expect_failures = [var.roles]
}

run "what_else_cannot_be" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    name                 = "git hub"
    account_id           = "1234"
    audience             = "*"
    permissions_boundary = "ci-boundary"
    trust_policy_quota   = 1024
  }
  expect_failures = [var.name, var.account_id, var.audience, var.permissions_boundary, var.trust_policy_quota]
}

run "what_is_meant_passes" {
  command = plan
  module {
    source = "./tests/variables"
  }
}
