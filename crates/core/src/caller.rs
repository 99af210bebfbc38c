//! Who is calling: the first arrow, [`Identity`] -> [`Caller`].
//!
//! The ARN is taken apart once, here. Nothing downstream looks at it again except to log it. Root, federated users,
//! assumed-root, service principals, Cognito identities, anything with extra segments and anything that contradicts
//! itself is refused. What the next module may rely on: every field has the alphabet and length that AWS documents,
//! so none holds `:`, white space or a control character, and only a path holds `/`.
//!
//! Sources: IAM User Guide, "IAM identifiers" and "Quotas"; STS API Reference, `AssumeRole` (`RoleSessionName`,
//! 2 to 64 of `[\w+=,.@-]`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What somebody says about the caller, not yet judged.
///
/// Its constructors are the places where somebody is believed: grep `asserted_by`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    arn: String,
    account: Option<String>,
    principal_id: Option<String>,
    org_id: Option<String>,
    cognito: bool,
    disbelieved: Option<CallerFault>,
}

impl Identity {
    /// What API Gateway's AWS_IAM authorizer put into an event. `principal_id` is the unique id (`AROA...:session`),
    /// `cognito` whether any Cognito field is set.
    pub fn asserted_by_gateway(
        arn: &str,
        account: &str,
        principal_id: &str,
        org_id: Option<&str>,
        cognito: bool,
    ) -> Self {
        Self {
            arn: arn.to_owned(),
            account: Some(account.to_owned()),
            principal_id: Some(principal_id.to_owned()),
            org_id: org_id.map(str::to_owned),
            cognito,
            disbelieved: None,
        }
    }

    /// What an event says that the configured gateway did not send, or that contradicts itself: never a caller, and
    /// kept for the audit record.
    pub fn disbelieved(arn: &str, why: CallerFault) -> Self {
        Self { arn: arn.to_owned(), disbelieved: Some(why), ..Self::default() }
    }

    /// What the credentials file of the local server says about the key that a verified signature was made with.
    pub fn asserted_by_local_credentials(arn: &str, principal_id: Option<&str>, org_id: Option<&str>) -> Self {
        Self {
            arn: arn.to_owned(),
            principal_id: principal_id.map(str::to_owned),
            org_id: org_id.map(str::to_owned),
            ..Self::default()
        }
    }

    /// A caller supposed for the sake of an explanation; no token is ever signed for it.
    pub fn supposed(arn: &str, principal_id: Option<&str>, org_id: Option<&str>) -> Self {
        Self::asserted_by_local_credentials(arn, principal_id, org_id)
    }

    /// The ARN as it came: for the audit record only.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The principal's unique id as it came: for the audit record only.
    pub fn principal_id(&self) -> Option<&str> {
        self.principal_id.as_deref()
    }
}

/// Why an identity is not a caller. The text is for operators; a caller sees one and the same refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerFault {
    /// Not an ARN of a caller, or a field outside its alphabet or length.
    #[error("the ARN is malformed")]
    Malformed,
    /// The account's root user.
    #[error("the root user is never accepted")]
    Root,
    /// A session of `sts:GetFederationToken`.
    #[error("federated users are never accepted")]
    FederatedUser,
    /// A session of `sts:AssumeRoot`.
    #[error("assumed-root sessions are never accepted")]
    AssumedRoot,
    /// An AWS service.
    #[error("service principals are never accepted")]
    ServicePrincipal,
    /// A role, not a session of it: no signature is ever made by one.
    #[error("a role cannot sign, only a session of it")]
    NotASession,
    /// A role name that looks like Identity Center's without being exactly its form.
    #[error("the role name begins with AWSReservedSSO_ and is not Identity Center's form")]
    ReservedName,
    /// The ARN's account is not `accountId`.
    #[error("the ARN's account contradicts the account id")]
    AccountContradicts,
    /// The unique id is missing, of another kind, or of another session than the ARN's.
    #[error("the principal id contradicts the ARN")]
    PrincipalIdContradicts,
    /// A Cognito identity pool's caller: unauthenticated users are assumed roles too.
    #[error("Cognito identities are never accepted")]
    Cognito,
    /// Not an event of the kind of API that the function is configured for.
    #[error("the event is not of the configured kind of API")]
    OtherGateway,
    /// An event of the right kind that another API sent.
    #[error("the event comes from another API than the configured one")]
    OtherApi,
    /// The test button of the API Gateway console.
    #[error("the stage test-invoke-stage is never accepted")]
    TestStage,
    /// A field of the identity appears twice, perhaps in another letter case, or is no text.
    #[error("the event's identity is ambiguous")]
    Ambiguous,
}

/// The three kinds of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A session of a role.
    Role,
    /// A person signed in through IAM Identity Center.
    Sso,
    /// An IAM user.
    User,
}

impl Kind {
    /// As written in a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Sso => "sso",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The fields of callers: the closed set that `when` and templates draw from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    Partition,
    /// 12 digits.
    Account,
    /// The role's name, without path (an assumed-role ARN has none).
    Role,
    /// `AROA...`: never reused, so pinning it pins the role itself.
    RoleId,
    /// Chosen by whoever assumes the role: tainted.
    SessionName,
    /// Identity Center's permission set.
    PermissionSet,
    /// The 16 hexadecimal digits that Identity Center appends.
    PermissionSetSuffix,
    /// The session name that Identity Center sets: the user name.
    UserName,
    /// The IAM user's name.
    User,
    /// The IAM user's path: `/` or `/a/b/`.
    Path,
    /// `AIDA...`.
    UserId,
}

impl Field {
    /// Every field, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Partition,
        Self::Account,
        Self::Role,
        Self::RoleId,
        Self::SessionName,
        Self::PermissionSet,
        Self::PermissionSetSuffix,
        Self::UserName,
        Self::User,
        Self::Path,
        Self::UserId,
    ];

    /// The name in `when` and in templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Account => "account",
            Self::Role => "role",
            Self::RoleId => "role_id",
            Self::SessionName => "session_name",
            Self::PermissionSet => "permission_set",
            Self::PermissionSetSuffix => "permission_set_suffix",
            Self::UserName => "user_name",
            Self::User => "user",
            Self::Path => "path",
            Self::UserId => "user_id",
        }
    }

    /// The field of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// Do callers of this kind have the field?
    pub fn belongs_to(self, kind: Kind) -> bool {
        match self {
            Self::Partition | Self::Account => true,
            Self::Role | Self::SessionName => kind == Kind::Role,
            Self::RoleId => kind != Kind::User,
            Self::PermissionSet | Self::PermissionSetSuffix | Self::UserName => kind == Kind::Sso,
            Self::User | Self::Path | Self::UserId => kind == Kind::User,
        }
    }

    /// May this byte stand in the field? (Lengths are checked by [`Field::admits`].)
    pub fn alphabet(self, byte: u8) -> bool {
        match self {
            Self::Partition => byte.is_ascii_lowercase() || byte == b'-',
            Self::Account => byte.is_ascii_digit(),
            Self::RoleId | Self::UserId => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::PermissionSetSuffix => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Self::Path => byte == b'/' || name_byte(byte),
            Self::Role | Self::SessionName | Self::PermissionSet | Self::UserName | Self::User => name_byte(byte),
        }
    }

    /// Is this a possible value of the field: right alphabet, length and form?
    pub fn admits(self, text: &str) -> bool {
        let lengths = match self {
            Self::Partition => 3..=32,
            Self::Account => 12..=12,
            Self::Role | Self::User | Self::UserName => 1..=64,
            Self::SessionName => 2..=64,
            Self::PermissionSet => 1..=32,
            Self::PermissionSetSuffix => 16..=16,
            Self::RoleId | Self::UserId => 5..=128,
            Self::Path => 1..=512,
        };
        let form = match self {
            Self::Partition => text == "aws" || text.starts_with("aws-"),
            Self::RoleId => text.starts_with("AROA"),
            Self::UserId => text.starts_with("AIDA"),
            Self::Path => text.starts_with('/') && text.ends_with('/') && !text.contains("//"),
            _ => true,
        };
        lengths.contains(&text.len()) && form && text.bytes().all(|byte| self.alphabet(byte))
    }

    /// A value of this field, if the text is one.
    fn take(self, text: &str) -> Result<String, CallerFault> {
        if self.admits(text) { Ok(text.to_owned()) } else { Err(CallerFault::Malformed) }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `[\w+=,.@-]`, ASCII: what IAM allows in names of roles and users and STS in session names.
fn name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    Role { role: String, role_id: Option<String>, session_name: String },
    Sso { permission_set: String, suffix: String, role_id: Option<String>, user_name: String },
    User { user: String, path: String, user_id: Option<String> },
}

/// A caller that every check of this module has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    partition: String,
    account: String,
    principal: Principal,
    arn: String,
    principal_id: Option<String>,
    org_id: Option<String>,
}

impl Caller {
    /// Judge an identity. The only maker of a caller.
    pub fn new(identity: &Identity) -> Result<Self, CallerFault> {
        if let Some(why) = identity.disbelieved {
            return Err(why);
        }
        if identity.cognito {
            return Err(CallerFault::Cognito);
        }
        let (partition, account, mut principal) = parse_arn(&identity.arn)?;
        if identity.account.as_ref().is_some_and(|id| *id != account) {
            return Err(CallerFault::AccountContradicts);
        }
        if let Some(id) = &identity.principal_id {
            principal.bind(id)?;
        }
        Ok(Self {
            partition,
            account,
            principal,
            arn: identity.arn.clone(),
            principal_id: identity.principal_id.clone(),
            // The literal `aws:PrincipalOrgID`, which an HTTP API may pass on unresolved, is no organisation.
            org_id: identity.org_id.clone().filter(|id| is_org_id(id)),
        })
    }

    /// The caller's kind.
    pub fn kind(&self) -> Kind {
        match self.principal {
            Principal::Role { .. } => Kind::Role,
            Principal::Sso { .. } => Kind::Sso,
            Principal::User { .. } => Kind::User,
        }
    }

    /// A field's value; `None` if callers of this kind lack the field, or if nobody told the unique id.
    pub fn field(&self, field: Field) -> Option<&str> {
        match (field, &self.principal) {
            (Field::Partition, _) => Some(&self.partition),
            (Field::Account, _) => Some(&self.account),
            (Field::Role, Principal::Role { role, .. }) => Some(role),
            (Field::SessionName, Principal::Role { session_name, .. }) => Some(session_name),
            (Field::RoleId, Principal::Role { role_id, .. } | Principal::Sso { role_id, .. }) => role_id.as_deref(),
            (Field::PermissionSet, Principal::Sso { permission_set, .. }) => Some(permission_set),
            (Field::PermissionSetSuffix, Principal::Sso { suffix, .. }) => Some(suffix),
            (Field::UserName, Principal::Sso { user_name, .. }) => Some(user_name),
            (Field::User, Principal::User { user, .. }) => Some(user),
            (Field::Path, Principal::User { path, .. }) => Some(path),
            (Field::UserId, Principal::User { user_id, .. }) => user_id.as_deref(),
            _ => None,
        }
    }

    /// The account id.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The ARN, for the audit record and `include_caller`.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The unique id as the gateway gives it (`AROA...:session` or `AIDA...`).
    pub fn principal_id(&self) -> Option<&str> {
        self.principal_id.as_deref()
    }

    /// The AWS organisation (`o-...`), where it is known.
    pub fn org_id(&self) -> Option<&str> {
        self.org_id.as_deref()
    }
}

impl Principal {
    /// Take the unique id, if it is this principal's.
    fn bind(&mut self, id: &str) -> Result<(), CallerFault> {
        let (slot, unique, field) = match self {
            Self::Role { role_id, session_name: session, .. } | Self::Sso { role_id, user_name: session, .. } => {
                let unique = id.strip_suffix(session.as_str()).and_then(|rest| rest.strip_suffix(':'));
                (role_id, unique, Field::RoleId)
            }
            Self::User { user_id, .. } => (user_id, Some(id), Field::UserId),
        };
        let unique = unique.filter(|unique| field.admits(unique)).ok_or(CallerFault::PrincipalIdContradicts)?;
        *slot = Some(unique.to_owned());
        Ok(())
    }
}

fn parse_arn(arn: &str) -> Result<(String, String, Principal), CallerFault> {
    let parts: Vec<&str> = arn.split(':').collect();
    let &["arn", partition, service, "", account, resource] = parts.as_slice() else {
        // The gateway names an AWS service by its principal, not by an ARN.
        let service =
            !arn.contains([':', '/']) && (arn.ends_with(".amazonaws.com") || arn.ends_with(".amazonaws.com.cn"));
        return Err(if service { CallerFault::ServicePrincipal } else { CallerFault::Malformed });
    };
    let (partition, account) = (Field::Partition.take(partition)?, Field::Account.take(account)?);
    let segments: Vec<&str> = resource.split('/').collect();
    let principal = match (service, segments.as_slice()) {
        ("sts", ["assumed-role", role, session]) => assumed_role(role, session)?,
        ("sts", ["federated-user", ..]) => return Err(CallerFault::FederatedUser),
        ("sts", ["assumed-root", ..]) => return Err(CallerFault::AssumedRoot),
        ("iam", ["root"]) => return Err(CallerFault::Root),
        ("iam", ["role", ..]) => return Err(CallerFault::NotASession),
        ("iam", ["user", path @ .., user]) => {
            let path = path.iter().fold(String::from("/"), |path, segment| path + segment + "/");
            Principal::User { user: Field::User.take(user)?, path: Field::Path.take(&path)?, user_id: None }
        }
        _ => return Err(CallerFault::Malformed),
    };
    Ok((partition, account, principal))
}

const RESERVED: &str = "AWSReservedSSO_";

fn assumed_role(role: &str, session: &str) -> Result<Principal, CallerFault> {
    let role = Field::Role.take(role)?;
    let session = Field::SessionName.take(session)?;
    let reserved = role.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    if !reserved {
        return Ok(Principal::Role { role, role_id: None, session_name: session });
    }
    role.strip_prefix(RESERVED)
        .and_then(|rest| rest.rsplit_once('_'))
        .filter(|(set, suffix)| Field::PermissionSet.admits(set) && Field::PermissionSetSuffix.admits(suffix))
        .map(|(set, suffix)| Principal::Sso {
            permission_set: set.to_owned(),
            suffix: suffix.to_owned(),
            role_id: None,
            user_name: session,
        })
        .ok_or(CallerFault::ReservedName)
}

/// `o-` and lower-case letters or digits (Organizations API Reference, `Organization.Id`).
pub fn is_org_id(text: &str) -> bool {
    text.len() <= 34
        && text
            .strip_prefix("o-")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arn: &str) -> Result<Caller, CallerFault> {
        Caller::new(&Identity::supposed(arn, None, None))
    }

    fn with_id(arn: &str, id: &str) -> Result<Caller, CallerFault> {
        Caller::new(&Identity::supposed(arn, Some(id), None))
    }

    fn fields(caller: &Caller) -> Vec<(&'static str, &str)> {
        Field::ALL.into_iter().filter_map(|field| Some((field.as_str(), caller.field(field)?))).collect()
    }

    #[test]
    fn takes_a_role_session_apart() {
        let caller = with_id("arn:aws-cn:sts::444455556666:assumed-role/loader/i-0abc", "AROAEXAMPLE1:i-0abc").unwrap();
        assert_eq!(caller.kind(), Kind::Role);
        assert_eq!(
            fields(&caller),
            [
                ("partition", "aws-cn"),
                ("account", "444455556666"),
                ("role", "loader"),
                ("role_id", "AROAEXAMPLE1"),
                ("session_name", "i-0abc")
            ]
        );
    }

    #[test]
    fn takes_an_identity_center_session_apart() {
        let arn = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Data_Analyst_0123456789abcdef/Jane@acme.com";
        let caller = with_id(arn, "AROAEXAMPLE2:Jane@acme.com").unwrap();
        assert_eq!(caller.kind(), Kind::Sso);
        assert_eq!(
            fields(&caller),
            [
                ("partition", "aws"),
                ("account", "111122223333"),
                ("role_id", "AROAEXAMPLE2"),
                ("permission_set", "Data_Analyst"),
                ("permission_set_suffix", "0123456789abcdef"),
                ("user_name", "Jane@acme.com")
            ]
        );
    }

    #[test]
    fn takes_a_user_apart() {
        let caller = with_id("arn:aws:iam::111122223333:user/a/b/bob", "AIDAEXAMPLE").unwrap();
        assert_eq!((caller.field(Field::Path), caller.field(Field::User)), (Some("/a/b/"), Some("bob")));
        assert_eq!(parse("arn:aws:iam::111122223333:user/bob").unwrap().field(Field::Path), Some("/"));
    }

    #[test]
    fn refuses_every_kind_that_is_never_a_caller() {
        use CallerFault::{AssumedRoot, FederatedUser, Malformed, NotASession, ReservedName, Root, ServicePrincipal};
        for (arn, fault) in [
            ("arn:aws:iam::111122223333:root", Root),
            ("arn:aws:sts::111122223333:federated-user/bob", FederatedUser),
            ("arn:aws:sts::111122223333:assumed-root", AssumedRoot),
            ("arn:aws:sts::111122223333:assumed-root/admin", AssumedRoot),
            ("lambda.amazonaws.com", ServicePrincipal),
            ("ec2.amazonaws.com.cn", ServicePrincipal),
            ("arn:aws:iam::111122223333:role/loader", NotASession),
            ("", Malformed),
            ("bob", Malformed),
            ("arn:aws:sts::111122223333:assumed-role/loader", Malformed),
            ("arn:aws:sts::111122223333:assumed-role/path/loader/session", Malformed),
            ("arn:aws:sts::111122223333:assumed-role/loader/session:extra", Malformed),
            ("arn:aws:sts:us-east-1:111122223333:assumed-role/loader/session", Malformed),
            ("arn:aws:sts::11112222333:assumed-role/loader/session", Malformed),
            ("arn:aws:sts::11112222333x:assumed-role/loader/session", Malformed),
            ("arn:azure:sts::111122223333:assumed-role/loader/session", Malformed),
            ("ARN:aws:sts::111122223333:assumed-role/loader/session", Malformed),
            ("arn:aws:sts::111122223333:assumed-role/loader/s", Malformed),
            ("arn:aws:sts::111122223333:assumed-role/loader/se ssion", Malformed),
            ("arn:aws:sts::111122223333:assumed-role//session", Malformed),
            ("arn:aws:sts::111122223333:assumed-role/loa\u{201}der/session", Malformed),
            ("arn:aws:iam::111122223333:user", Malformed),
            ("arn:aws:iam::111122223333:user/", Malformed),
            ("arn:aws:iam::111122223333:user//bob", Malformed),
            ("arn:aws:iam::111122223333:assumed-role/loader/session", Malformed),
            ("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_/jane", ReservedName),
            ("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin/jane", ReservedName),
            ("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789ABCDEF/jane", ReservedName),
            ("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123456789abcde/jane", ReservedName),
            ("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO__0123456789abcdef/jane", ReservedName),
            ("arn:aws:sts::111122223333:assumed-role/awsreservedsso_Admin_0123456789abcdef/jane", ReservedName),
        ] {
            assert_eq!(parse(arn).map(|_| ()), Err(fault), "{arn}");
        }
    }

    #[test]
    fn refuses_a_principal_id_that_contradicts_the_arn() {
        let role = "arn:aws:sts::444455556666:assumed-role/loader/session";
        let user = "arn:aws:iam::444455556666:user/bob";
        assert!(with_id(role, "AROAEXAMPLE:session").is_ok());
        assert!(with_id(user, "AIDAEXAMPLE").is_ok());
        for (arn, id) in [
            (role, ""),
            (role, "AROAEXAMPLE"),
            (role, "AROAEXAMPLE:other"),
            (role, "AROAEXAMPLE:x:session"),
            (role, "AIDAEXAMPLE:session"),
            (role, "AROA:session"),
            (user, "AROAEXAMPLE"),
            (user, "AIDAEXAMPLE:bob"),
            (user, "444455556666"),
        ] {
            assert_eq!(with_id(arn, id), Err(CallerFault::PrincipalIdContradicts), "{arn} {id}");
        }
    }

    #[test]
    fn the_gateways_account_must_be_the_arns_and_cognito_is_refused() {
        let gateway = |account, cognito| {
            let arn = "arn:aws:sts::444455556666:assumed-role/loader/session";
            Caller::new(&Identity::asserted_by_gateway(arn, account, "AROAEXAMPLE:session", None, cognito))
        };
        assert!(gateway("444455556666", false).is_ok());
        assert_eq!(gateway("111122223333", false), Err(CallerFault::AccountContradicts));
        assert_eq!(gateway("", false), Err(CallerFault::AccountContradicts));
        assert_eq!(gateway("444455556666", true), Err(CallerFault::Cognito));
    }

    #[test]
    fn an_unresolved_organisation_is_none() {
        let org = |id| {
            let arn = "arn:aws:iam::444455556666:user/bob";
            Caller::new(&Identity::supposed(arn, None, Some(id))).unwrap().org_id().map(str::to_owned)
        };
        assert_eq!(org("o-a1b2c3d4e5"), Some("o-a1b2c3d4e5".into()));
        for id in ["aws:PrincipalOrgID", "", "o-", "O-a1b2c3d4e5", "o-a1 b2"] {
            assert_eq!(org(id), None, "{id}");
        }
    }

    /// Go service, hole 1: "is this a person?" was a substring test over the whole ARN.
    #[test]
    fn go_service_hole_1_a_session_name_cannot_make_a_person() {
        let caller = parse("arn:aws:sts::111122223333:assumed-role/build-runner/ACCOUNTADMIN@AWSReservedSSO_").unwrap();
        assert_eq!(caller.kind(), Kind::Role);
        assert_eq!(caller.field(Field::UserName), None);
    }
}
