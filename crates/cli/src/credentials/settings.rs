//! What is asked for, said in three places: flags, variables `COUNTERSIGN_*`, and a profile of `config.toml`.
//!
//! The three are one type, [`Settings`], so that they cannot differ in what they know. Flags win over the environment, the
//! environment over the profile, setting by setting; but a source of tokens that is named above another one takes its place
//! with all that belongs to it, as its audience meant something else. What makes no sense together is refused.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args as _, FromArgMatches as _};
use countersign_core::url::IssuerUrl;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Request;
use super::role::{Duration, PolicyArn, RoleArn, Session, SessionName, SessionPolicy};
use super::source::{ClientAuth, Endpoint, Issuer, OAuth, ProviderUrl, Secret, Source};
use crate::verify::location;

/// The audience that AWS's own documents use for tokens of GitHub.
const STS_AUDIENCE: &str = "sts.amazonaws.com";
/// Where the secret of an OAuth client stands, unless something else is said.
const CLIENT_SECRET: &str = "COUNTERSIGN_OAUTH_CLIENT_SECRET";

/// Every setting, none of them set.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The issuer URL: the token is asked for there, signed with AWS credentials
    #[arg(long, value_name = "URL", value_parser = IssuerUrl::local, help_heading = "Where the token comes from")]
    #[serde(deserialize_with = "issuer_url", serialize_with = "text_of_url")]
    url: Option<IssuerUrl>,
    /// The profile of the AWS configuration that signs [default: the default credential chain]
    #[arg(long, value_name = "NAME", help_heading = "Where the token comes from")]
    aws_profile: Option<String>,
    /// Region to sign for [default: the one in the API's host name, else that of the AWS configuration, else us-east-1]
    #[arg(long, value_name = "R", help_heading = "Where the token comes from")]
    sign_region: Option<String>,
    /// A file with a token that something else keeps fresh: Kubernetes, GitLab, a workflow
    #[arg(long, value_name = "FILE", help_heading = "Where the token comes from")]
    web_identity_token_file: Option<PathBuf>,
    /// GitHub Actions, in a job that has the permission `id-token: write`
    #[arg(long, help_heading = "Where the token comes from")]
    github: bool,
    /// An OAuth identity provider, by its discovery document: client credentials
    #[arg(long, value_name = "URL", help_heading = "Where the token comes from")]
    oauth_issuer: Option<ProviderUrl>,
    /// An OAuth identity provider, by its token endpoint: client credentials
    #[arg(long, value_name = "URL", help_heading = "Where the token comes from")]
    oauth_token_url: Option<String>,
    /// The client's id at the identity provider
    #[arg(long, value_name = "ID", help_heading = "Where the token comes from")]
    oauth_client_id: Option<String>,
    /// A file with the client's secret
    #[arg(long, value_name = "FILE", help_heading = "Where the token comes from")]
    oauth_client_secret_file: Option<PathBuf>,
    /// The variable with the client's secret [default: COUNTERSIGN_OAUTH_CLIENT_SECRET]
    #[arg(long, value_name = "VARIABLE", help_heading = "Where the token comes from")]
    oauth_client_secret_env: Option<String>,
    /// How the client proves that it is it [default: what the discovery document says, else basic]
    #[arg(long, value_name = "HOW", help_heading = "Where the token comes from")]
    oauth_client_auth: Option<ClientAuth>,
    /// What the token is for: an audience of the issuer's policy, or of the identity provider
    #[arg(long, value_name = "A", help_heading = "Where the token comes from")]
    audience: Option<String>,
    /// The scope asked for at an OAuth identity provider
    #[arg(long, value_name = "S", help_heading = "Where the token comes from")]
    scope: Option<String>,
    /// The role: arn:aws:iam::ACCOUNT:role/NAME
    #[arg(long, value_name = "ARN", help_heading = "Which credentials")]
    role_arn: Option<RoleArn>,
    /// Name of the session, 2 to 64 characters [default: the token's subject]
    #[arg(long, value_name = "NAME", help_heading = "Which credentials")]
    role_session_name: Option<SessionName>,
    /// Lifetime in seconds, 900 to 43200 [default: 3600]
    #[arg(long, value_name = "N", help_heading = "Which credentials")]
    duration_seconds: Option<Duration>,
    /// Inline session policy, at most 2048 characters
    #[arg(long, value_name = "JSON", help_heading = "Which credentials")]
    policy: Option<SessionPolicy>,
    /// Managed session policy, at most 10 of them
    #[arg(long = "policy-arn", value_name = "ARN", help_heading = "Which credentials")]
    policy_arns: Vec<PolicyArn>,
    /// Region whose STS is asked [default: that of the AWS configuration, else one of the role's partition]
    #[arg(long, value_name = "R", help_heading = "Which credentials")]
    region: Option<String>,
}

/// The kinds of sources, by the settings that name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "see Source")]
pub enum Kind {
    Issuer,
    File,
    GitHub,
    OAuth,
}

impl Kind {
    fn setting(self) -> &'static str {
        match self {
            Self::Issuer => "url",
            Self::File => "web_identity_token_file",
            Self::GitHub => "github",
            Self::OAuth => "oauth_issuer or oauth_token_url",
        }
    }
}

impl Settings {
    /// What the environment says: `COUNTERSIGN_ROLE_ARN` for `--role-arn`. An empty variable says nothing.
    pub fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        Self::of_texts(in_environment, variable)
    }

    /// Every variable that is read.
    pub fn variables() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("environment"));
        command.get_arguments().map(|argument| in_environment(argument.get_id().as_str())).collect()
    }

    /// What somebody answers who is asked for one setting. An empty answer says nothing.
    pub fn answered(setting: &str, answer: &str) -> anyhow::Result<Self> {
        Self::of_texts(str::to_owned, |name| (name == setting).then(|| answer.into()))
    }

    /// What texts say, each under the name of its setting, by the checks of the flags.
    fn of_texts(named: impl Fn(&str) -> String, text: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let command = Self::augment_args(clap::Command::new("environment").no_binary_name(true));
        let mut all = Vec::new();
        for argument in command.get_arguments() {
            let name = named(argument.get_id().as_str());
            let Some(value) = said(&name, &text)? else { continue };
            let flag = format!("--{}", argument.get_long().unwrap_or_default());
            let flags: Vec<String> = match argument.get_action() {
                clap::ArgAction::SetTrue if value == "true" => vec![flag],
                clap::ArgAction::SetTrue if value == "false" => continue,
                clap::ArgAction::SetTrue => bail!("{name} is true or false, and this is {value:?}"),
                clap::ArgAction::Append => {
                    value.split([',', ' ']).filter(|one| !one.is_empty()).map(|one| format!("{flag}={one}")).collect()
                }
                _ => vec![format!("{flag}={value}")],
            };
            // One by one, so that a fault names its variable.
            if let Err(error) = command.clone().try_get_matches_from(&flags) {
                let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                bail!("{name}: {why}");
            }
            all.extend(flags);
        }
        Ok(Self::from_arg_matches(&command.try_get_matches_from(all)?)?)
    }

    /// These where they say something, `below` where they do not.
    pub fn over(self, below: Self) -> anyhow::Result<Self> {
        let below = match (self.kind()?, below.kind()?) {
            (Some(above), Some(other)) if above != other => below.without_source(),
            _ => below,
        };
        let oauth = if self.oauth_issuer.is_some() || self.oauth_token_url.is_some() {
            (self.oauth_issuer, self.oauth_token_url)
        } else {
            (below.oauth_issuer, below.oauth_token_url)
        };
        let secret = if self.oauth_client_secret_file.is_some() || self.oauth_client_secret_env.is_some() {
            (self.oauth_client_secret_file, self.oauth_client_secret_env)
        } else {
            (below.oauth_client_secret_file, below.oauth_client_secret_env)
        };
        Ok(Self {
            url: self.url.or(below.url),
            aws_profile: self.aws_profile.or(below.aws_profile),
            sign_region: self.sign_region.or(below.sign_region),
            web_identity_token_file: self.web_identity_token_file.or(below.web_identity_token_file),
            github: self.github || below.github,
            oauth_issuer: oauth.0,
            oauth_token_url: oauth.1,
            oauth_client_id: self.oauth_client_id.or(below.oauth_client_id),
            oauth_client_secret_file: secret.0,
            oauth_client_secret_env: secret.1,
            oauth_client_auth: self.oauth_client_auth.or(below.oauth_client_auth),
            audience: self.audience.or(below.audience),
            scope: self.scope.or(below.scope),
            role_arn: self.role_arn.or(below.role_arn),
            role_session_name: self.role_session_name.or(below.role_session_name),
            duration_seconds: self.duration_seconds.or(below.duration_seconds),
            policy: self.policy.or(below.policy),
            policy_arns: if self.policy_arns.is_empty() { below.policy_arns } else { self.policy_arns },
            region: self.region.or(below.region),
        })
    }

    /// What is set, in the order of the flags, as a profile has it.
    pub fn entries(&self) -> anyhow::Result<Vec<(String, Value)>> {
        let mut all = serde_json::to_value(self)?;
        let command = Self::augment_args(clap::Command::new("settings"));
        let entries = command.get_arguments().map(|argument| {
            let name = argument.get_id().to_string();
            let value = all[&name].take();
            (name, value)
        });
        let nothing = [Value::Null, Value::Bool(false), Value::Array(Vec::new())];
        Ok(entries.filter(|(_, value)| !nothing.contains(value)).collect())
    }

    /// The same with paths that mean the same in every folder. What begins with `~` is [`Settings::at_home`]'s to judge.
    pub fn for_profile(mut self) -> anyhow::Result<Self> {
        let paths = [&mut self.web_identity_token_file, &mut self.oauth_client_secret_file];
        for path in paths.into_iter().flatten().filter(|path| !path.as_os_str().as_encoded_bytes().starts_with(b"~")) {
            path.to_str().with_context(|| format!("{}: it is no text (UTF-8)", path.display()))?;
            *path = absolute(path)?;
        }
        Ok(self)
    }

    /// The paths of a profile are absolute or begin with `~/`: nobody knows in which folder a `credential_process` runs.
    pub fn at_home(mut self, home: Option<&Path>) -> anyhow::Result<Self> {
        for (name, path) in [
            ("web_identity_token_file", &mut self.web_identity_token_file),
            ("oauth_client_secret_file", &mut self.oauth_client_secret_file),
        ] {
            if let Some(path) = path {
                *path = absolute_at(home, name, path)?;
            }
        }
        Ok(self)
    }

    /// The role, if it is said.
    pub fn role(&self) -> Option<&RoleArn> {
        self.role_arn.as_ref()
    }

    /// Where the token comes from, for whoever wants a token and no session.
    pub fn token_source(self) -> anyhow::Result<Source> {
        let kind = self.one_kind()?;
        self.only_what_belongs_to(kind)?;
        self.source(kind)
    }

    /// What is asked for.
    pub fn request(self) -> anyhow::Result<Request> {
        let kind = self.one_kind()?;
        let Some(role) = self.role_arn.clone() else {
            bail!("which role? Say --role-arn arn:aws:iam::ACCOUNT:role/NAME, or name a profile that does (--profile)");
        };
        self.only_what_belongs_to(kind)?;
        let session = Session {
            role,
            name: self.role_session_name.clone(),
            duration: self.duration_seconds,
            policy: self.policy.clone(),
            policy_arns: self.policy_arns.clone(),
            region: self.region.clone(),
        };
        let faults: Vec<String> = session.faults().iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            bail!("{}", faults.join("\n"));
        }
        Ok(Request { source: self.source(kind)?, session })
    }

    fn one_kind(&self) -> anyhow::Result<Kind> {
        self.kind()?.context(
            "where does the token come from? Say one of --url, --web-identity-token-file, --github, --oauth-issuer and --oauth-token-url, or name a profile that does (--profile)",
        )
    }

    /// The one source that is named.
    pub fn kind(&self) -> anyhow::Result<Option<Kind>> {
        let named: Vec<Kind> = [
            (Kind::Issuer, self.url.is_some()),
            (Kind::File, self.web_identity_token_file.is_some()),
            (Kind::GitHub, self.github),
            (Kind::OAuth, self.oauth_issuer.is_some() || self.oauth_token_url.is_some()),
        ]
        .into_iter()
        .filter_map(|(kind, named)| named.then_some(kind))
        .collect();
        match named[..] {
            [] => Ok(None),
            [kind] => Ok(Some(kind)),
            [one, other, ..] => {
                bail!("a token comes from one place: {} and {} are two", one.setting(), other.setting())
            }
        }
    }

    /// What is left for another source.
    #[must_use]
    pub fn without_source(self) -> Self {
        Self {
            role_arn: self.role_arn,
            role_session_name: self.role_session_name,
            duration_seconds: self.duration_seconds,
            policy: self.policy,
            policy_arns: self.policy_arns,
            region: self.region,
            ..Self::default()
        }
    }

    /// A setting that does nothing was meant to do something.
    fn only_what_belongs_to(&self, kind: Kind) -> anyhow::Result<()> {
        let (issuer, oauth) = (&[Kind::Issuer][..], &[Kind::OAuth][..]);
        for (name, set, of) in [
            ("aws_profile", self.aws_profile.is_some(), issuer),
            ("sign_region", self.sign_region.is_some(), issuer),
            ("audience", self.audience.is_some(), &[Kind::Issuer, Kind::GitHub, Kind::OAuth]),
            ("scope", self.scope.is_some(), oauth),
            ("oauth_client_id", self.oauth_client_id.is_some(), oauth),
            ("oauth_client_secret_file", self.oauth_client_secret_file.is_some(), oauth),
            ("oauth_client_secret_env", self.oauth_client_secret_env.is_some(), oauth),
            ("oauth_client_auth", self.oauth_client_auth.is_some(), oauth),
        ] {
            if set && !of.contains(&kind) {
                bail!("{name} does nothing for a token that comes from {}", kind.setting());
            }
        }
        Ok(())
    }

    fn source(self, kind: Kind) -> anyhow::Result<Source> {
        Ok(match (kind, self.url, self.web_identity_token_file) {
            (Kind::Issuer, Some(url), _) => Source::Issuer(Issuer {
                url,
                audience: self.audience,
                region: self.sign_region,
                aws_profile: self.aws_profile,
            }),
            (Kind::File, _, Some(path)) => Source::File(absolute(&path)?),
            (Kind::GitHub, ..) => Source::GitHub { audience: self.audience.unwrap_or_else(|| STS_AUDIENCE.to_owned()) },
            _ => {
                let endpoint = match (self.oauth_issuer, self.oauth_token_url) {
                    (Some(issuer), None) => Endpoint::Issuer(issuer),
                    (None, Some(url)) => {
                        // Not repeated: it may be one with a password.
                        location(&url).map_err(|fault| anyhow!("the token URL {fault}"))?;
                        Endpoint::Token(url)
                    }
                    _ => bail!("oauth_issuer and oauth_token_url are two ways to say the same: say one of them"),
                };
                let secret = match (self.oauth_client_secret_file, self.oauth_client_secret_env) {
                    (Some(path), None) => Secret::File(absolute(&path)?),
                    (None, name) => Secret::Environment(name.unwrap_or_else(|| CLIENT_SECRET.to_owned())),
                    _ => bail!("a client has one secret: oauth_client_secret_file or oauth_client_secret_env"),
                };
                Source::OAuth(OAuth {
                    endpoint,
                    client_id: self.oauth_client_id.context("which client? Say --oauth-client-id")?,
                    secret,
                    auth: self.oauth_client_auth,
                    audience: self.audience,
                    scope: self.scope,
                })
            }
        })
    }
}

fn in_environment(setting: &str) -> String {
    format!("COUNTERSIGN_{}", setting.to_ascii_uppercase())
}

/// What a variable says: nothing, if it is empty. One that is no text was meant to say something.
pub fn said(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Option<String>> {
    let value = variable(name).map(OsString::into_string).transpose();
    Ok(value.map_err(|_| anyhow!("{name} is no text (UTF-8)"))?.filter(|value| !value.is_empty()))
}

/// A path of a file, which means the same in every folder. `name` is the setting's.
pub fn absolute_at(home: Option<&Path>, name: &str, path: &Path) -> anyhow::Result<PathBuf> {
    let path = match (path.strip_prefix("~"), home) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    };
    if !path.is_absolute() {
        bail!("{name}: write an absolute path, or one that begins with ~/, instead of {}", path.display());
    }
    Ok(path)
}

/// The cache knows a file by its path, whatever the folder is in which somebody stands.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{}: no path", path.display()))
}

fn issuer_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IssuerUrl>, D::Error> {
    let text = String::deserialize(from)?;
    IssuerUrl::local(&text).map(Some).map_err(serde::de::Error::custom)
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn text_of_url<S: Serializer>(url: &Option<IssuerUrl>, to: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(IssuerUrl::as_str).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::444455556666:role/deploy";

    fn environment(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::of_environment(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    fn set(variables: &[(&str, &str)]) -> Settings {
        environment(variables).unwrap()
    }

    fn profile(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    fn why(settings: anyhow::Result<Settings>) -> String {
        settings.and_then(Settings::request).unwrap_err().to_string()
    }

    #[test]
    fn every_setting_can_be_said_in_each_of_the_three_places() {
        let command = Settings::augment_args(clap::Command::new("x"));
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let value = match id {
                "url" | "oauth_issuer" => "https://id.acme.com",
                "github" => "true",
                "oauth_client_auth" => "post",
                "role_arn" => ROLE,
                "duration_seconds" => "900",
                "policy" => r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
                "policy_arns" => "arn:aws:iam::aws:policy/ReadOnlyAccess",
                _ => "some-text",
            };
            let variable = format!("COUNTERSIGN_{}", id.to_ascii_uppercase());
            let said = set(&[(&variable, value)]);
            assert_ne!(said, Settings::default(), "{id}");
            let toml = match id {
                "github" | "duration_seconds" => format!("{id} = {value}"),
                "policy_arns" => format!("{id} = ['{value}']"),
                _ => format!("{id} = '{value}'"),
            };
            assert_eq!(said, profile(&toml), "{id}");
            assert_eq!(said, Settings::answered(id, value).unwrap(), "{id}");
            let entries: serde_json::Map<String, Value> = said.entries().unwrap().into_iter().collect();
            assert_eq!(entries.keys().collect::<Vec<_>>(), [id]);
            assert_eq!(said, serde_json::from_value(entries.into()).unwrap(), "{id}");
            assert_eq!(said, Settings::default().over(said.clone()).unwrap(), "{id}");
            assert_eq!(said, said.clone().over(Settings::default()).unwrap(), "{id}");
        }
    }

    #[test]
    fn what_is_said_above_wins_and_a_source_takes_the_place_of_another_one_with_all_its_settings() {
        let below = profile(&format!(
            "url = 'https://id.acme.com'\naudience = 'aws'\naws_profile = 'base'\nrole_arn = '{ROLE}'"
        ));
        let same_source = set(&[("COUNTERSIGN_AUDIENCE", "other"), ("COUNTERSIGN_DURATION_SECONDS", "900")]);
        let Request { source, session } = same_source.over(below.clone()).unwrap().request().unwrap();
        let Source::Issuer(issuer) = source else { panic!("{source:?}") };
        assert_eq!((issuer.audience.as_deref(), issuer.aws_profile.as_deref()), (Some("other"), Some("base")));
        assert_eq!((session.role.as_str(), session.duration), (ROLE, "900".parse().ok()));

        let github = set(&[("COUNTERSIGN_GITHUB", "true")]).over(below.clone()).unwrap().request().unwrap();
        assert_eq!(github.source, Source::GitHub { audience: "sts.amazonaws.com".to_owned() });
        let file =
            set(&[("COUNTERSIGN_WEB_IDENTITY_TOKEN_FILE", "/run/token")]).over(below).unwrap().request().unwrap();
        assert_eq!(file.source, Source::File("/run/token".into()));
    }

    #[test]
    fn an_oauth_client_is_told_by_its_issuer_or_its_endpoint_and_its_secret_by_a_file_or_a_variable() {
        let below = format!(
            "oauth_issuer = 'https://id.acme.com'\noauth_client_id = 'c'\noauth_client_secret_file = '/s'\nrole_arn = '{ROLE}'"
        );
        let endpoint = "https://id.acme.com/oauth/token";
        let above = set(&[("COUNTERSIGN_OAUTH_TOKEN_URL", endpoint), ("COUNTERSIGN_OAUTH_CLIENT_SECRET_ENV", "S")]);
        let Source::OAuth(client) = above.over(profile(&below)).unwrap().request().unwrap().source else { panic!() };
        assert_eq!(client.endpoint, Endpoint::Token(endpoint.to_owned()));
        assert_eq!(client.secret, Secret::Environment("S".to_owned()));
        let Source::OAuth(client) = profile(&below).request().unwrap().source else { panic!() };
        assert_eq!(client.secret, Secret::File("/s".into()));
        let default = profile(&below.replace("oauth_client_secret_file = '/s'\n", "")).request().unwrap().source;
        let Source::OAuth(client) = default else { panic!() };
        assert_eq!(client.secret, Secret::Environment(CLIENT_SECRET.to_owned()));
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        let with_role = |lines: &str| Ok(profile(&format!("role_arn = '{ROLE}'\n{lines}")));
        for (lines, expected) in [
            ("", "where does the token come from?"),
            ("url = 'https://id.acme.com'\ngithub = true", "url and github are two"),
            ("github = true\naws_profile = 'x'", "aws_profile does nothing for a token that comes from github"),
            ("web_identity_token_file = '/t'\naudience = 'x'", "audience does nothing"),
            ("url = 'https://id.acme.com'\nscope = 'x'", "scope does nothing"),
            ("github = true\noauth_client_id = 'x'", "oauth_client_id does nothing"),
            ("oauth_issuer = 'https://a.b'", "which client?"),
            (
                "oauth_token_url = 'https://a:b@c.d/t'\noauth_client_id = 'x'",
                "the token URL has a user name or password",
            ),
            ("oauth_token_url = 'http://a.b/t'\noauth_client_id = 'x'", "the token URL is neither https"),
            (
                "oauth_issuer = 'https://a.b'\noauth_token_url = 'https://a.b/t'\noauth_client_id = 'x'",
                "say one of them",
            ),
            (
                "oauth_issuer = 'https://a.b'\noauth_client_id = 'x'\noauth_client_secret_env = 'E'\noauth_client_secret_file = '/f'",
                "a client has one secret",
            ),
        ] {
            let why = why(with_role(lines));
            assert!(why.contains(expected), "{lines}: {why}");
        }
        assert!(why(Ok(profile("github = true"))).contains("which role?"));
        assert!(why(environment(&[("COUNTERSIGN_GITHUB", "yes")])).contains("COUNTERSIGN_GITHUB is true or false"));
        let why = why(environment(&[("COUNTERSIGN_DURATION_SECONDS", "soon")]));
        assert!(why.starts_with("COUNTERSIGN_DURATION_SECONDS: "), "{why}");
        let mut conflict = profile("url = 'https://id.acme.com'");
        conflict.github = true;
        assert!(Settings::default().over(conflict).is_err());
    }

    #[test]
    fn a_path_of_a_profile_means_the_same_in_every_folder() {
        let at_home = |text: &str| profile(text).at_home(Some(Path::new("/home/ann")));
        let settings = at_home("web_identity_token_file = '~/token'\noauth_client_secret_file = '/s'").unwrap();
        assert_eq!(settings.web_identity_token_file.as_deref(), Some(Path::new("/home/ann/token")));
        assert_eq!(settings.oauth_client_secret_file.as_deref(), Some(Path::new("/s")));
        for relative in ["token", "./token", "~ann/token"] {
            let why = at_home(&format!("oauth_client_secret_file = '{relative}'")).unwrap_err().to_string();
            assert!(why.contains("oauth_client_secret_file: write an absolute path"), "{why}");
        }
    }
}
