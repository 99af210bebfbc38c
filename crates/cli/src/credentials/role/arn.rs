//! ARNs of roles and managed policies, and which regions are of their partitions.
//!
//! Sources: IAM User Guide, "IAM identifiers" and "IAM and AWS STS quotas"; General Reference, "AWS service endpoints".

use super::{PolicyArn, RoleArn, SessionFault, is_of_name};
use crate::verify::text::quoted;

/// Each partition, how the names of its regions begin, and one whose STS is there without anybody's doing. A region that
/// begins as no other partition's is of the first.
const PARTITIONS: [(&str, &str, &str); 8] = [
    ("aws", "", "us-east-1"),
    ("aws-cn", "cn-", "cn-north-1"),
    ("aws-us-gov", "us-gov-", "us-gov-west-1"),
    ("aws-iso", "us-iso-", "us-iso-east-1"),
    ("aws-iso-b", "us-isob-", "us-isob-east-1"),
    ("aws-iso-e", "eu-isoe-", "eu-isoe-west-1"),
    ("aws-iso-f", "us-isof-", "us-isof-south-1"),
    ("aws-eusc", "eusc-", "eusc-de-east-1"),
];
/// The longest path of a role or policy, with its slashes.
const LONGEST_PATH: usize = 512;

impl RoleArn {
    /// `aws`, `aws-cn`, ...
    pub fn partition(&self) -> &str {
        part(self.as_str(), 1)
    }

    /// Its account.
    pub fn account(&self) -> &str {
        part(self.as_str(), 4)
    }

    /// Its name, without the path.
    pub fn name(&self) -> &str {
        self.as_str().rsplit('/').next().unwrap_or_default()
    }

    /// How the ARN of each of its sessions begins. It has no path.
    pub fn assumed(&self) -> String {
        format!("arn:{}:sts::{}:assumed-role/{}", self.partition(), self.account(), self.name())
    }

    /// A region of its partition, if nobody names one.
    pub fn default_region(&self) -> &'static str {
        PARTITIONS.iter().find(|(name, ..)| *name == self.partition()).map_or("us-east-1", |(.., region)| region)
    }

    /// Why its session cannot be asked for in this region, which `whose` names.
    pub fn fault_of_region(&self, region: &str, whose: &str) -> Option<SessionFault> {
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Some(SessionFault(format!("{whose} {} is none: a region is like eu-central-1", quoted(region))));
        }
        let (partition, ..) =
            PARTITIONS.iter().rev().find(|(_, prefix, _)| region.starts_with(prefix)).copied().unwrap_or_default();
        (partition != self.partition()).then(|| {
            let (own, example) = (self.partition(), self.default_region());
            let (its, role) = (partition, self.as_str());
            SessionFault(format!(
                "{whose} {region} is of the partition {its}, and the role {role} of {own}: name a region of {own}, such as {example}"
            ))
        })
    }
}

impl PolicyArn {
    /// `aws`, `aws-cn`, ...
    pub fn partition(&self) -> &str {
        part(self.as_str(), 1)
    }

    /// Its account, or `aws` for AWS's own.
    pub fn account(&self) -> &str {
        part(self.as_str(), 4)
    }
}

fn part(arn: &str, number: usize) -> &str {
    arn.split(':').nth(number).unwrap_or_default()
}

/// The ARN of a role.
pub(super) fn role(arn: &str) -> Result<String, SessionFault> {
    let form = "arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME";
    check(arn, "role", is_account, 64).or_else(|why| fault("a role", form, arn, &mistaken(arn).unwrap_or(why)))
}

/// The ARN of a managed policy.
pub(super) fn policy(arn: &str) -> Result<String, SessionFault> {
    let form = "arn:PARTITION:iam::ACCOUNT:policy/[PATH/]NAME, with aws as the account of AWS's own";
    check(arn, "policy", |account| account == "aws" || is_account(account), 128)
        .or_else(|why| fault("a managed policy", form, arn, &why))
}

fn fault(what: &str, form: &str, arn: &str, why: &str) -> Result<String, SessionFault> {
    Err(SessionFault(format!("{what} is {form}, and {} is none: {why}", quoted(arn))))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The parts of an ARN after `arn`. A path may hold colons.
fn parts(arn: &str) -> Option<[&str; 5]> {
    arn.strip_prefix("arn:")?.splitn(5, ':').collect::<Vec<_>>().try_into().ok()
}

fn check(arn: &str, kind: &str, takes: impl Fn(&str) -> bool, longest: usize) -> Result<String, String> {
    if arn.contains(char::is_whitespace) {
        return Err("there is white space in it".to_owned());
    }
    let Some([partition, service, region, account, resource]) = parts(arn) else {
        return Err("an ARN has six parts with colons between them, and begins with arn".to_owned());
    };
    if !PARTITIONS.iter().any(|(name, ..)| *name == partition) {
        let known: Vec<&str> = PARTITIONS.iter().map(|(name, ..)| *name).collect();
        return Err(format!("the partitions are {}", known.join(", ")));
    }
    let Some(rest) = resource.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).filter(|_| service == "iam")
    else {
        return Err(format!("it has to be of iam, and {kind}/ has to follow the account"));
    };
    if !region.is_empty() {
        return Err("IAM has no regions, so nothing stands between the two colons after iam".to_owned());
    }
    if !takes(account) {
        return Err("an account id has 12 digits, leading zeros included".to_owned());
    }
    let (path, name) = rest.rsplit_once('/').map_or((None, rest), |(path, name)| (Some(path), name));
    if path.is_some_and(|path| path.is_empty() || !path.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err("a path has printable ASCII characters between its slashes".to_owned());
    }
    if path.is_some_and(|path| path.len() + 2 > LONGEST_PATH) {
        return Err(format!("a path has at most {LONGEST_PATH} characters, slashes included"));
    }
    if name.is_empty() || name.chars().count() > longest || !name.chars().all(is_of_name) {
        return Err(format!("a name has 1 to {longest} letters, digits and `_+=,.@-`"));
    }
    Ok(arn.to_owned())
}

/// What it is instead of a role's ARN, if it is something that people take for one.
fn mistaken(arn: &str) -> Option<String> {
    let Some([partition, service, _, account, resource]) = parts(arn) else {
        return (arn.chars().all(|c| is_of_name(c) || c == '/') && !arn.is_empty())
            .then(|| "a name alone does not tell the account".to_owned());
    };
    let (kind, rest) = resource.split_once('/').unwrap_or((resource, ""));
    match (service, kind) {
        ("sts", "assumed-role") => {
            let name = rest.split('/').next().unwrap_or_default();
            let role = quoted(&format!("arn:{partition}:iam::{account}:role/{name}"));
            Some(format!("it is a session of a role; the role is {role}, with its path before the name if it has one"))
        }
        ("iam", "instance-profile") => {
            Some("it is an instance profile: `aws iam get-instance-profile` shows the role in it".to_owned())
        }
        ("iam", "oidc-provider") => Some("it is the identity provider that the role trusts, not the role".to_owned()),
        ("iam", "user" | "group" | "policy") => Some(format!("it is a {kind}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_of_every_partition_are_taken() {
        for (partition, _, region) in PARTITIONS {
            let arn = format!("arn:{partition}:iam::111122223333:role/a/b:c/deploy_+=,.@-");
            let role: RoleArn = arn.parse().unwrap();
            assert_eq!((role.as_str(), role.partition(), role.account()), (&*arn, partition, "111122223333"));
            assert_eq!((role.name(), role.default_region()), ("deploy_+=,.@-", region));
            assert_eq!(role.fault_of_region(region, "the region"), None, "{region}");
            for (other, _, elsewhere) in PARTITIONS {
                assert_eq!(role.fault_of_region(elsewhere, "it").is_none(), other == partition, "{region} {elsewhere}");
            }
        }
        let role: RoleArn =
            format!("arn:aws:iam::111122223333:role/{}/{}", "p".repeat(510), "n".repeat(64)).parse().unwrap();
        for region in ["eu-central-1", "us-west-2", "mx-central-1", "il-central-1"] {
            assert_eq!(role.fault_of_region(region, "the region"), None);
        }
    }

    #[test]
    fn what_is_no_role_is_told_with_the_reason() {
        for (arn, expected) in [
            ("", "six parts"),
            ("deploy", "a name alone does not tell the account"),
            ("role/deploy", "a name alone does not tell the account"),
            ("arn:aws:iam::111122223333:role/ deploy", "white space"),
            ("arn:aws:iam::111122223333:role/deploy\n", "white space"),
            ("arn:aws:iam::111122223333", "six parts"),
            (
                "arn:aws:sts::111122223333:assumed-role/deploy/me",
                r#"the role is "arn:aws:iam::111122223333:role/deploy""#,
            ),
            ("arn:aws:iam::111122223333:instance-profile/deploy", "an instance profile"),
            ("arn:aws:iam::111122223333:oidc-provider/id.acme.com", "the identity provider that the role trusts"),
            ("arn:aws:iam::111122223333:user/bob", "it is a user"),
            ("arn:aws:iam::111122223333:policy/own", "it is a policy"),
            ("arn:aws:s3:::bucket", "it has to be of iam"),
            ("arn:aws:iam::111122223333:roles/deploy", "role/ has to follow"),
            ("arn:amazon:iam::111122223333:role/deploy", "the partitions are aws, aws-cn, "),
            ("arn:aws:iam:us-east-1:111122223333:role/deploy", "IAM has no regions"),
            ("arn:aws:iam::11122223333:role/deploy", "12 digits"),
            ("arn:aws:iam::aws:role/deploy", "12 digits"),
            ("arn:aws:iam::111122223333:role/", "1 to 64 letters"),
            ("arn:aws:iam::111122223333:role/a/", "1 to 64 letters"),
            ("arn:aws:iam::111122223333:role//deploy", "a path has printable"),
            ("arn:aws:iam::111122223333:role/ä/deploy", "a path has printable"),
            ("arn:aws:iam::111122223333:role/depl*y", "1 to 64 letters"),
            (&*format!("arn:aws:iam::111122223333:role/{}", "n".repeat(65)), "1 to 64 letters"),
            (&*format!("arn:aws:iam::111122223333:role/{}/x", "p".repeat(511)), "at most 512 characters"),
        ] {
            let fault = arn.parse::<RoleArn>().unwrap_err().to_string();
            assert!(fault.contains(expected) && fault.contains("arn:PARTITION:iam::ACCOUNT:role/"), "{arn}: {fault}");
        }
    }

    #[test]
    fn managed_policies_are_of_an_account_or_of_aws() {
        for arn in ["arn:aws:iam::aws:policy/service-role/X", "arn:aws-cn:iam::111122223333:policy/own"] {
            assert_eq!(arn.parse::<PolicyArn>().unwrap().to_string(), arn);
        }
        assert!(format!("arn:aws:iam::aws:policy/{}", "n".repeat(128)).parse::<PolicyArn>().is_ok());
        for (arn, expected) in [
            ("ReadOnlyAccess", "six parts"),
            ("arn:aws:iam::amazon:policy/X", "12 digits"),
            ("arn:aws:iam::aws:role/X", "policy/ has to follow"),
            ("arn:aws:iam::aws:policy/X Y", "white space"),
            (&*format!("arn:aws:iam::aws:policy/{}", "n".repeat(129)), "1 to 128 letters"),
        ] {
            let fault = arn.parse::<PolicyArn>().unwrap_err().to_string();
            assert!(fault.contains(expected), "{arn}: {fault}");
        }
    }

    #[test]
    fn a_region_is_told_from_what_is_none() {
        let role: RoleArn = "arn:aws-cn:iam::111122223333:role/x".parse().unwrap();
        let told = |region| role.fault_of_region(region, "AWS_REGION").unwrap().to_string();
        assert!(told("us-east-1").starts_with("AWS_REGION us-east-1 is of the partition aws, and the role"));
        assert!(told("us-east-1").ends_with("name a region of aws-cn, such as cn-north-1"));
        for none in ["", "cn north 1", "evil.com/", "EU-CENTRAL-1", "a\u{1b}"] {
            assert!(told(none).contains("is none: a region is like eu-central-1"), "{none}");
        }
    }
}
