//! The cast: callers of every kind, honest and forged, as a gateway would describe them.

use countersign_core::caller::Identity;

/// One caller as the gateway asserts it.
#[derive(Debug, Clone, Copy)]
pub struct Character {
    /// Who it is meant to be.
    pub who: &'static str,
    /// `userArn`.
    pub arn: &'static str,
    /// `accountId`.
    pub account: &'static str,
    /// `caller`, the unique id.
    pub principal_id: &'static str,
    /// `principalOrgId`.
    pub org_id: Option<&'static str>,
    /// Is any Cognito field set?
    pub cognito: bool,
}

impl Character {
    /// What the gateway says of this caller.
    pub fn identity(&self) -> Identity {
        Identity::asserted_by_gateway(self.arn, self.account, self.principal_id, self.org_id, self.cognito)
    }
}

const OURS: Option<&str> = Some("o-a1b2c3d4e5");

const fn one(who: &'static str, arn: &'static str, account: &'static str, principal_id: &'static str) -> Character {
    Character { who, arn, account, principal_id, org_id: OURS, cognito: false }
}

/// Everybody who ever appears, in the order of the golden table.
pub const CAST: &[Character] = &[
    one(
        "analyst, a person of Identity Center",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane@acme.com",
        "111122223333",
        "AROAANALYST23456789AB:jane@acme.com",
    ),
    one(
        "analyst, name written with capitals",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/Jane@acme.com",
        "111122223333",
        "AROAANALYST23456789AB:Jane@acme.com",
    ),
    one(
        "analyst of another domain (Go service, hole 4)",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane@evil.com",
        "111122223333",
        "AROAANALYST23456789AB:jane@evil.com",
    ),
    one(
        "analyst with two @ in the name",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/accountadmin@x@acme.com",
        "111122223333",
        "AROAANALYST23456789AB:accountadmin@x@acme.com",
    ),
    one(
        "administrator, another permission set",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_AdministratorAccess_fedcba9876543210/root@acme.com",
        "111122223333",
        "AROAADMIN234567890ABC:root@acme.com",
    ),
    one(
        "analyst's permission set in a stranger's account",
        "arn:aws:sts::999999999999:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane@acme.com",
        "999999999999",
        "AROASTRANGER2345678AB:jane@acme.com",
    ),
    one(
        "person with break-glass permissions",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_BreakGlass_00112233445566aa/jane@acme.com",
        "111122223333",
        "AROABREAKGLASS234567A:jane@acme.com",
    ),
    one(
        "workload on EC2",
        "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
        "444455556666",
        "AROALOADER23456789ABC:i-0123456789abcdef0",
    ),
    one(
        "workload on Lambda",
        "arn:aws:sts::444455556666:assumed-role/snowflake-transform/nightly-transform",
        "444455556666",
        "AROATRANSFORM23456789:nightly-transform",
    ),
    one(
        "workload on ECS",
        "arn:aws:sts::777788889999:assumed-role/snowflake-loader/0123456789abcdef0123456789abcdef",
        "777788889999",
        "AROAECSTASK2345678901:0123456789abcdef0123456789abcdef",
    ),
    one(
        "workload on EKS (pod identity)",
        "arn:aws:sts::777788889999:assumed-role/snowflake-dbt/eks-prod-dbt-run-8d5b-0a1b2c3d",
        "777788889999",
        "AROAEKSPOD23456789012:eks-prod-dbt-run-8d5b-0a1b2c3d",
    ),
    one(
        "workload on premises (Roles Anywhere)",
        "arn:aws:sts::444455556666:assumed-role/snowflake-onprem/3f6a9c0d1e2b",
        "444455556666",
        "AROAANYWHERE234567890:3f6a9c0d1e2b",
    ),
    one(
        "SAML session",
        "arn:aws:sts::444455556666:assumed-role/saml-finance/amy@acme.com",
        "444455556666",
        "AROASAML2345678901234:amy@acme.com",
    ),
    one(
        "web-identity session of a CI system",
        "arn:aws:sts::444455556666:assumed-role/ci-github/GitHubActions",
        "444455556666",
        "AROAGITHUB23456789012:GitHubActions",
    ),
    one(
        "scheduler with a session name that its rule trusts",
        "arn:aws:sts::444455556666:assumed-role/scheduler/etl-orders",
        "444455556666",
        "AROASCHEDULER23456789:etl-orders",
    ),
    one(
        "scheduler with another session name",
        "arn:aws:sts::444455556666:assumed-role/scheduler/adhoc",
        "444455556666",
        "AROASCHEDULER23456789:adhoc",
    ),
    one(
        "service-linked role",
        "arn:aws:sts::444455556666:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling",
        "444455556666",
        "AROASERVICE2345678901:AutoScaling",
    ),
    one(
        "break-glass role",
        "arn:aws:sts::444455556666:assumed-role/snowflake-breakglass/jane",
        "444455556666",
        "AROABREAK234567890123:jane",
    ),
    one(
        "the loader's name in a stranger's account (Go service, hole 2)",
        "arn:aws:sts::999999999999:assumed-role/snowflake-loader/i-0fedcba9876543210",
        "999999999999",
        "AROASTRANGER234567890:i-0fedcba9876543210",
    ),
    one(
        "the loader's name made again under another id",
        "arn:aws:sts::444455556666:assumed-role/pinned/app",
        "444455556666",
        "AROAIMPOSTOR234567890:app",
    ),
    one(
        "the pinned role itself",
        "arn:aws:sts::444455556666:assumed-role/pinned/app",
        "444455556666",
        "AROAPINNED23456789012:app",
    ),
    one(
        "forged session name (Go service, hole 1)",
        "arn:aws:sts::444455556666:assumed-role/build-runner/ACCOUNTADMIN@AWSReservedSSO_",
        "444455556666",
        "AROABUILD234567890123:ACCOUNTADMIN@AWSReservedSSO_",
    ),
    one(
        "forged role name, reserved prefix without the suffix",
        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst/jane@acme.com",
        "111122223333",
        "AROAFORGED23456789012:jane@acme.com",
    ),
    one(
        "forged role name, reserved prefix in other letters",
        "arn:aws:sts::111122223333:assumed-role/awsreservedsso_DataAnalyst_0123456789abcdef/jane@acme.com",
        "111122223333",
        "AROAFORGED23456789012:jane@acme.com",
    ),
    one(
        "role with a comma in its name",
        "arn:aws:sts::444455556666:assumed-role/snowflake-a,b/x1",
        "444455556666",
        "AROACOMMA234567890123:x1",
    ),
    one(
        "China, the loader",
        "arn:aws-cn:sts::555566667777:assumed-role/snowflake-loader/i-0aaaaaaaaaaaaaaaa",
        "555566667777",
        "AROACHINA234567890123:i-0aaaaaaaaaaaaaaaa",
    ),
    one(
        "GovCloud, the loader under a commercial account's number",
        "arn:aws-us-gov:sts::444455556666:assumed-role/snowflake-loader/i-0bbbbbbbbbbbbbbbb",
        "444455556666",
        "AROAGOVCLOUD234567890:i-0bbbbbbbbbbbbbbbb",
    ),
    one("IAM user of CI", "arn:aws:iam::111122223333:user/ci/deployer", "111122223333", "AIDADEPLOYER234567890"),
    one(
        "IAM user elsewhere (Go service, hole 3)",
        "arn:aws:iam::111122223333:user/bob",
        "111122223333",
        "AIDABOB234567890ABCDE",
    ),
    one("root (Go service, hole 3)", "arn:aws:iam::111122223333:root", "111122223333", "111122223333"),
    one("federated user", "arn:aws:sts::111122223333:federated-user/jane", "111122223333", "111122223333:jane"),
    one("assumed root", "arn:aws:sts::111122223333:assumed-root", "111122223333", "111122223333"),
    one("AWS service", "lambda.amazonaws.com", "", ""),
    one("nobody", "", "", ""),
    Character {
        cognito: true,
        ..one(
            "unauthenticated Cognito identity",
            "arn:aws:sts::444455556666:assumed-role/snowflake-loader/CognitoIdentityCredentials",
            "444455556666",
            "AROACOGNITO2345678901:CognitoIdentityCredentials",
        )
    },
    one(
        "loader, account id of somebody else",
        "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
        "777788889999",
        "AROALOADER23456789ABC:i-0123456789abcdef0",
    ),
    one(
        "loader, unique id of another session",
        "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
        "444455556666",
        "AROALOADER23456789ABC:i-0fedcba9876543210",
    ),
    Character {
        org_id: Some("o-zzzzzzzzzz"),
        ..one(
            "loader of another organisation",
            "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
            "444455556666",
            "AROALOADER23456789ABC:i-0123456789abcdef0",
        )
    },
    Character {
        org_id: None,
        ..one(
            "loader of no organisation",
            "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
            "444455556666",
            "AROALOADER23456789ABC:i-0123456789abcdef0",
        )
    },
    Character {
        org_id: Some("aws:PrincipalOrgID"),
        ..one(
            "loader, organisation not resolved",
            "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
            "444455556666",
            "AROALOADER23456789ABC:i-0123456789abcdef0",
        )
    },
];
