# What the module refuses of who gets in, each by itself, so that no refusal hides behind another one. tests/variables is its
# variables alone: without the provider, which takes a second to start, fifty plans are made in a moment.

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
