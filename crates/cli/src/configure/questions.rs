//! What somebody in a terminal is asked, one setting after the other, each answer judged as its flag would be.
//!
//! A secret is not asked for: only the file or the variable that has it.

use std::io::{self, BufRead as _};

use anyhow::{Context as _, anyhow, bail};

use crate::credentials::profile;
use crate::credentials::settings::{Kind, Settings};
use crate::out;

/// The kinds of sources, as they are answered.
const KINDS: [(&str, Kind); 4] =
    [("issuer", Kind::Issuer), ("file", Kind::File), ("github", Kind::GitHub), ("oauth", Kind::OAuth)];

/// A setting, how it is asked for, and whether it has to be answered.
type Question = (&'static str, &'static str, bool);

/// What each kind of source has to know.
fn of_kind(kind: Kind) -> &'static [Question] {
    match kind {
        Kind::Issuer => &[
            ("url", "Issuer URL", true),
            ("audience", "Audience of the issuer's policy; empty: its default", false),
            ("aws_profile", "Profile of the AWS configuration that signs; empty: the default credential chain", false),
        ],
        Kind::File => &[("web_identity_token_file", "File with the token", true)],
        Kind::GitHub => &[],
        Kind::OAuth => &[
            ("oauth_issuer", "Issuer URL of the identity provider", true),
            ("oauth_client_id", "Id of the client", true),
            (
                SECRET,
                "File with the client's secret; empty: it is in the variable COUNTERSIGN_OAUTH_CLIENT_SECRET",
                false,
            ),
            ("audience", "Audience to ask for; empty: none", false),
            ("scope", "Scope to ask for; empty: none", false),
        ],
    }
}

const SECRET: &str = "oauth_client_secret_file";
/// Another way to say the same, which need not be asked for then.
const INSTEAD: [(&str, &str); 2] = [("oauth_issuer", "oauth_token_url"), (SECRET, "oauth_client_secret_env")];
/// The last ones. With an answer to the very last, all has to go together.
const OF_ALL: [Question; 2] =
    [("role_arn", "Role, arn:aws:iam::ACCOUNT:role/NAME", true), ("region", "Region; empty: none", false)];

/// The settings that are said, and those that are answered. An empty answer keeps what is there.
pub(super) fn settings(said: Settings, before: &Settings) -> anyhow::Result<Settings> {
    let mut settings = said;
    let there = before.kind()?;
    let default = KINDS.iter().find(|(_, kind)| Some(*kind) == there).map(|(name, _)| *name);
    let ask_kind = || {
        ask("Where the token comes from (issuer, file, github, oauth)", default, |answer| {
            let found = KINDS.iter().find(|(name, _)| *name == answer);
            found.map(|(_, kind)| *kind).context("say one of issuer, file, github and oauth")
        })
    };
    let kind = settings.kind()?.map_or_else(ask_kind, Ok)?;
    if kind == Kind::GitHub {
        settings = Settings::answered("github", "true")?.over(settings)?;
    }
    let below = if there == Some(kind) { before.clone() } else { before.clone().without_source() };
    for (name, question, needed) in of_kind(kind).iter().chain(&OF_ALL) {
        let instead = INSTEAD.iter().find(|(asked, _)| asked == name).map_or("", |(_, other)| *other);
        if [(&settings, *name), (&settings, instead), (&below, instead)]
            .iter()
            .any(|(of, name)| text_of(of, name).is_some())
        {
            continue;
        }
        let default = text_of(&below, name);
        settings = ask(question, default.as_deref(), |answer| {
            if answer.is_empty() && *needed {
                bail!("this has to be said");
            }
            // What is there already is no answer: it stays as it is written.
            let answer = if default.as_deref() == Some(answer) { "" } else { answer };
            let all = Settings::answered(name, answer)?.for_profile()?.over(settings.clone())?;
            let whole = all.clone().over(below.clone())?.at_home(profile::home().as_deref())?;
            // Whoever answers with the secret itself is told before it is written anywhere.
            let file = if *name == SECRET { text_of(&whole, SECRET) } else { None };
            if file.is_some_and(|path| !std::path::Path::new(&path).is_file()) {
                bail!("there is no such file; the secret itself is not written into a profile");
            }
            if *name == OF_ALL[1].0 {
                whole.request()?;
            }
            Ok(all)
        })?;
    }
    Ok(settings)
}

/// Ask until the answer is one. An empty answer is the default.
pub(super) fn ask<T>(
    question: &str,
    default: Option<&str>,
    check: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    loop {
        out::say(format_args!(
            "{question}{}:",
            default.map(|it| format!(" [{}]", it.escape_debug())).unwrap_or_default()
        ));
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer).context("cannot read the answer")? == 0 {
            bail!("nothing was written");
        }
        let answer = Some(answer.trim()).filter(|answer| !answer.is_empty()).or(default).unwrap_or_default();
        match check(answer) {
            Ok(answer) => return Ok(answer),
            Err(why) => out::say(format_args!("{why:#}")),
        }
    }
}

/// A setting that is a text, if it is set.
pub(super) fn text_of(settings: &Settings, name: &str) -> Option<String> {
    let entries = settings.entries().unwrap_or_default();
    entries.into_iter().find_map(|(known, value)| Some(value.as_str()?.to_owned()).filter(|_| known == name))
}

/// Somebody says yes, or nothing is done.
pub fn confirmed(question: &str) -> anyhow::Result<()> {
    ask(question, None, |answer| Ok(answer == "yes"))?.then_some(()).ok_or_else(|| anyhow!("nothing was written"))
}
