//! Audiences: sound each, and none to be taken for another.

use std::collections::{BTreeMap, BTreeSet};

use super::lifetime;
use crate::jwk::Algorithm;
use crate::policy::document::AudienceDocument;
use crate::policy::problem::{Path, Problems};
use crate::policy::{Audience, Profile};

const DEFAULT_MAX_LIFETIME: u32 = 900;

pub(super) fn compile_audience(
    name: &str,
    document: &AudienceDocument,
    path: &Path,
    problems: &mut Problems,
) -> Option<Audience> {
    let graphic = |text: &str| (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !graphic(name) {
        problems.push(path.clone(), "an audience's name has 1 to 255 printable ASCII characters without space");
    }
    let aud = document.aud.as_ref().map(|text| text.0.as_str());
    match aud {
        None => problems.push(path.key("aud"), "is missing: the token's `aud`"),
        Some(aud) if !graphic(aud) => {
            problems.push(path.key("aud"), "has 1 to 255 printable ASCII characters without space");
        }
        Some(_) => {}
    }
    if document.profile.is_none() {
        problems.push(path.key("profile"), "is missing: snowflake, snowflake-wif, aws, oauth or generic");
    }
    let max_lifetime =
        lifetime(document.max_lifetime.as_ref(), DEFAULT_MAX_LIFETIME, &path.key("max_lifetime"), problems);
    let alg = document.alg.unwrap_or(Algorithm::RS256);
    let (aud, profile) = (aud?, document.profile?);
    if !profile.allows(alg) {
        problems.push(path.key("alg"), format!("the profile {} does not take {alg}", profile.as_str()));
    }
    if profile != Profile::Aws && ["sts.amazonaws.com", "sts.amazonaws.com.cn"].contains(&folded(aud).as_str()) {
        problems.push(path.key("aud"), format!("{aud} is AWS STS: write `profile: aws`"));
    }
    if profile == Profile::SnowflakeWif && folded(aud) == "snowflakecomputing.com" {
        problems.push(
            path.key("aud"),
            "snowflakecomputing.com is the default of every Snowflake account: a token for one would be good at all of them",
        );
    }
    let include_caller = document.include_caller;
    Some(Audience {
        name: name.to_owned(),
        aud: aud.to_owned(),
        profile,
        max_lifetime: max_lifetime?,
        alg,
        include_caller,
    })
}

/// Letter case and trailing slash ignored, and the scheme, which says nothing about who is meant.
fn folded(aud: &str) -> String {
    let aud = aud.to_ascii_lowercase();
    aud.strip_prefix("https://").unwrap_or(&aud).trim_end_matches('/').to_owned()
}

/// No audience can be asked for by what belongs to another.
pub(super) fn distinct_audiences(audiences: &[Option<Audience>], path: &Path, problems: &mut Problems) {
    let fold = |text: &str| text.to_ascii_lowercase().trim_end_matches('/').to_owned();
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for audience in audiences.iter().flatten() {
        for key in BTreeSet::from([fold(&audience.name), fold(&audience.aud)]) {
            if let Some(other) = taken.insert(key, &audience.name) {
                problems.push(
                    path.key(&audience.name),
                    format!("name or `aud` is also that of the audience `{other}` (letter case and a trailing slash do not count)"),
                );
            }
        }
    }
}
