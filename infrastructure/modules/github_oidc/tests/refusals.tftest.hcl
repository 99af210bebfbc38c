# What the module refuses, each by itself, so that no refusal hides behind another one. tests/variables is its variables
# alone: without the provider, which takes a second to start, fifty plans are made in a moment.

variables {
  name                 = "github-acme"
  account_id           = "111122223333"
  partition            = "aws"
  permissions_boundary = null
  roles                = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } } } }
}

run "no_role" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = {}
  }
  expect_failures = [var.roles]
}

run "a_role_that_cannot_be_called_so" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { "de/ploy" = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_name_that_is_too_long" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { "ddddddddddddddddddddddddddddddddddddddddddddddddddddd" = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "no_repository" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = {} } }
  }
  expect_failures = [var.roles]
}

run "an_organisation" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_repository_with_a_wildcard" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/*" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_repository_by_url" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "https://github.com/acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "no_ids" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "one_id" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { repository_id = 5678, branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "an_id_that_is_a_name" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = "acme", repository_id = 5678, branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "ids_and_the_name_alone" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"], dangerous_name_alone = true } } } }
  }
  expect_failures = [var.roles]
}

run "a_subject_of_another_kind" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"], subject = "ids" } } } }
  }
  expect_failures = [var.roles]
}

run "an_immutable_subject_without_ids" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { dangerous_name_alone = true, subject = "immutable", branches = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "nothing_selected" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678 } } } }
  }
  expect_failures = [var.roles]
}

run "a_workflow_and_no_ref" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, reusable_workflows = ["acme/w/.github/workflows/d.yml@refs/heads/main"] } } } }
  }
  expect_failures = [var.roles]
}

run "any_ref_without_a_workflow" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, any_ref = true } } } }
  }
  expect_failures = [var.roles]
}

run "any_ref_and_a_branch" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"], any_ref = true, reusable_workflows = ["acme/w/.github/workflows/d.yml@refs/heads/main"] } } } }
  }
  expect_failures = [var.roles]
}

run "every_branch" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["*"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_wildcard_in_the_middle" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["*/main"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_wildcard_that_is_not_the_last" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, tags = ["v*-rc"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_question_mark" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, tags = ["v?"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_ref_in_place_of_a_branch" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["refs/heads/main"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_variable_of_iam" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["$${aws:username}"] } } } }
  }
  expect_failures = [var.roles]
}

run "an_environment_with_a_wildcard" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, environments = ["prod-*"] } } } }
  }
  expect_failures = [var.roles]
}

run "an_environment_that_is_encoded" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, environments = ["a%3Ab"] } } } }
  }
  expect_failures = [var.roles]
}

run "refs_without_an_environment" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"], environment_refs = ["refs/heads/main"] } } } }
  }
  expect_failures = [var.roles]
}

run "an_environment_ref_that_is_a_branch" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, environments = ["production"], environment_refs = ["main"] } } } }
  }
  expect_failures = [var.roles]
}

run "no_environment_ref" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, environments = ["production"], environment_refs = [] } } } }
  }
  expect_failures = [var.roles]
}

run "a_workflow_without_a_ref" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"], reusable_workflows = ["acme/w/.github/workflows/d.yml"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_workflow_at_a_short_ref" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"], reusable_workflows = ["acme/w/.github/workflows/d.yml@main"] } } } }
  }
  expect_failures = [var.roles]
}

run "a_workflow_with_a_wildcard" {
  command = plan
  module {
    source = "./tests/variables"
  }
  variables {
    roles = { deploy = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"], reusable_workflows = ["acme/w/.github/workflows/*@refs/heads/main"] } } } }
  }
  expect_failures = [var.roles]
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
